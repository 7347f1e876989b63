"""What a load writes, reports and names, and what it leaves when a record or S3 is at fault."""

from __future__ import annotations

import gzip
import logging
import re
import socket
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from airflow_provider_s3dest.errors import RecordError, StoreError
from tests.integration.loading import MIB, Watched, load, records_in
from tests.servers import Bucket, S3Endpoint, SeaweedFS
from tests.servers.bucket_policy import deny
from tests.servers.fault_proxy import FaultProxy, lost, refused

NUMBERS = [{"n": n, "text": f"line {n}\n" * (n % 7)} for n in range(2_500)]
TABLES = {"numbers": NUMBERS, "one": [{"only": True}], "none": []}


class TestWritesWhatItReports:
    def test_every_record_in_order_in_objects_of_the_batch_size(self, bucket: Bucket) -> None:
        report = load(bucket, NUMBERS, batch_size=1000)

        assert [len(body.splitlines()) for body in bucket.objects().values()] == [1000, 1000, 500]
        assert records_in(bucket) == NUMBERS
        keys = bucket.keys()
        assert report.uris == [f"s3://{bucket.name}/{key}" for key in keys]

    @pytest.mark.parametrize("compression", ["", "gzip"], ids=["plain", "gzip"])
    def test_sizes_and_counts_of_several_tables(self, bucket: Bucket, compression: str) -> None:
        report = load(bucket, TABLES, None, compression=compression, batch_size=1000)

        sizes = {key: len(body) for key, body in bucket.objects().items()}
        assert report.bucket == bucket.name
        assert report.records == 2_501
        assert report.objects == len(sizes) == 4
        assert report.bytes == sum(sizes.values())
        assert {name: (one.records, one.objects) for name, one in report.tables.items()} == {
            "numbers": (2_500, 3),
            "one": (1, 1),
            "none": (0, 0),
        }
        for name, one in report.tables.items():
            assert one.prefix == f"out/{name}/"
            assert one.bytes == sum(size for key, size in sizes.items() if key.startswith(one.prefix))
        assert sorted(report.uris or ()) == sorted(f"s3://{bucket.name}/{key}" for key in sizes)

    def test_nothing_for_no_records(self, moto_bucket: Bucket) -> None:
        report = load(moto_bucket, [])

        assert (report.records, report.objects, report.bytes, report.uris) == (0, 0, 0, [])
        assert moto_bucket.keys() == []

    def test_one_object_without_rotation_however_large(
        self, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.PUT_BYTES", 5 * MIB)
        records = [{"n": n, "text": "é" * 512} for n in range(12_000)]

        report = load(
            moto_bucket, records, format="csv", path="out/{{TABLE}}.{{FORMAT}}", no_rotate=True, part_size=5 * MIB
        )

        (body,) = moto_bucket.objects().values()
        assert moto_bucket.keys() == ["out/t.csv"]
        assert moto_bucket.head("out/t.csv")["ETag"].endswith('-3"')
        assert body.decode().splitlines() == ["n,text", *(f"{n},{'é' * 512}" for n in range(12_000))]
        assert report.bytes == len(body)

    def test_names_that_are_safe_for_athena(self, moto_bucket: Bucket) -> None:
        report = load(moto_bucket, [{"a-b": {"c.d": 1}}], athena=True)

        assert records_in(moto_bucket) == [{"a_b": {"c_d": 1}}]
        assert report.tables["t"].columns == ("a_b",)

    def test_uris_of_a_thousand_objects_and_none_of_more(self, moto_bucket: Bucket) -> None:
        thousand = load(moto_bucket, [{"n": n} for n in range(1_000)], batch_size=1, dry_run=True)
        more = load(moto_bucket, [{"n": n} for n in range(1_001)], batch_size=1, dry_run=True)

        assert len(thousand.uris or ()) == 1_000
        assert more.uris is None
        assert more.objects == 1_001


class TestNamesAndBytes:
    @pytest.mark.parametrize("compression", ["", "gzip"], ids=["plain", "gzip"])
    def test_are_those_of_the_load_that_is_repeated(self, moto_bucket: Bucket, compression: str) -> None:
        def load_and_look(load_id: str = "load-1") -> dict[str, str]:
            load(moto_bucket, TABLES, None, compression=compression, batch_size=1000, load_id=load_id)
            keys = moto_bucket.keys()
            return {key: moto_bucket.head(key)["ETag"] for key in keys}

        first = load_and_look()

        assert load_and_look() == first
        both = load_and_look("another")
        others = {key: tag for key, tag in both.items() if key not in first}
        assert len(others) == len(first) == 4
        assert sorted(others.values()) == sorted(first.values())

    def test_of_a_gzipped_object_hold_neither_name_nor_time(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, [{"n": 1}], compression="gzip")

        (body,) = moto_bucket.objects().values()
        flags, time = body[3], body[4:8]
        assert (flags, time) == (0, bytes(4))
        assert gzip.decompress(body) == b'{"n":1}\n'


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "csv", "batch_size": 700},
        {"format": "json", "compression": "gzip", "batch_size_bytes": 30_000},
        {"compression": "gzip", "path": "out/{{TABLE}}.{{FORMAT}}", "no_rotate": True},
        {"path": "out/{{TABLE}}.{{FORMAT}}", "no_rotate": True},
    ],
    ids=["csv", "gzip", "gzip in parts", "in parts"],
)
def test_a_dry_run_reports_what_the_load_will_and_sends_nothing(
    moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    # So that the objects without rotation are sent in parts, and a dry run has to measure those too.
    monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.PUT_BYTES", 100_000)
    watched = Watched(moto_bucket.server.client())

    announced = load(moto_bucket, TABLES, None, dry_run=True, client=watched.client, **fields)
    assert watched.begun == []
    assert moto_bucket.keys() == moto_bucket.open_uploads() == []
    done = load(moto_bucket, TABLES, None, client=watched.client, **fields)

    assert announced == done
    assert done.objects == len(moto_bucket.keys())
    assert ("UploadPart" in watched.begun) == ("no_rotate" in fields)


class TestARecordThatCanNotBeEncoded:
    """Keeps its whole batch away; earlier batches may be there."""

    @pytest.mark.parametrize("fields", [{}, {"compression": "gzip"}, {"format": "csv"}], ids=["json", "gzip", "csv"])
    def test_in_the_first_batch(self, moto_bucket: Bucket, fields: dict[str, Any]) -> None:
        records = [{"n": 1}, {"n": 2}, {"n": object()}]

        with pytest.raises(RecordError, match=r"table 't', record 2, column 'n'"):
            load(moto_bucket, records, **fields)

        assert moto_bucket.keys() == []

    def test_in_a_later_batch(self, moto_bucket: Bucket) -> None:
        def records() -> Iterator[dict[str, Any]]:
            yield from ({"n": n} for n in range(3_000))
            yield {"n": object()}

        with pytest.raises(RecordError, match=r"record 3000, column 'n'"):
            load(moto_bucket, records(), batch_size=700)

        # Batches are sent side by side, so that one may be there and the one before it not.
        found = [record["n"] for record in records_in(moto_bucket)]
        batches = sorted({n // 700 for n in found})
        assert set(batches) <= {0, 1, 2, 3}
        assert found == [n for batch in batches for n in range(700 * batch, 700 * (batch + 1))]

    def test_in_a_later_table(self, moto_bucket: Bucket) -> None:
        with pytest.raises(RecordError, match=r"table 'bad', record 0, column 'n'"):
            load(moto_bucket, {"good": NUMBERS, "bad": [{"n": object()}]}, None)

        assert moto_bucket.keys("out/bad/") == []

    def test_and_that_fails_while_it_is_made_shows_the_error_of_the_maker(self, moto_bucket: Bucket) -> None:
        def records() -> Iterator[dict[str, Any]]:
            yield {"n": 1}
            raise ZeroDivisionError("of the upstream")

        with pytest.raises(ZeroDivisionError, match="of the upstream"):
            load(moto_bucket, records())

        assert moto_bucket.keys() == []


def test_a_put_whose_answer_was_lost_is_repeated_and_leaves_one_object(bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.on("PutObject", lost)

    load(bucket, NUMBERS, client=proxy.client())

    assert len(proxy.seen("PutObject")) == 2
    assert records_in(bucket) == NUMBERS


class TestRefused:
    """An error of S3 names the request, its target and the way out, and says whether another attempt may help."""

    @staticmethod
    def failure(bucket: Bucket, client: Any, **fields: Any) -> StoreError:
        with pytest.raises(StoreError) as failure:
            load(bucket, chain(NUMBERS, NUMBERS), client=client, path="out/{{UUID}}", **fields)
        return failure.value

    @staticmethod
    def assert_names(error: StoreError, bucket: Bucket, *words: str) -> None:
        assert re.match(rf"PutObject s3://{bucket.name}/out/[0-9a-f-]{{36}}: ", str(error))
        for word in words:
            assert word in str(error)

    def test_by_rights(self, seaweedfs: SeaweedFS, seaweedfs_bucket: Bucket) -> None:
        error = self.failure(seaweedfs_bucket, seaweedfs.reader.client())

        self.assert_names(error, seaweedfs_bucket, "AccessDenied", "The credentials need s3:PutObject there.")
        assert error.final
        assert seaweedfs_bucket.keys() == []

    def test_by_a_policy_of_the_bucket(self, bucket: Bucket) -> None:
        deny(bucket, "s3:PutObject")

        error = self.failure(bucket, bucket.server.client())

        self.assert_names(error, bucket, "The credentials need s3:PutObject there.")
        assert error.final
        assert bucket.keys() == []

    def test_by_a_bucket_that_is_not_there(self, bucket: Bucket) -> None:
        missing = Bucket("no-such-bucket", bucket.server)

        error = self.failure(missing, bucket.server.client())

        self.assert_names(error, missing, "NoSuchBucket", "Check its name, and region and endpoint")
        assert error.final

    def test_by_a_wrong_secret_which_no_text_repeats(
        self, seaweedfs_bucket: Bucket, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        server = seaweedfs_bucket.server
        wrong = S3Endpoint(server.endpoint_url, server.access_key, "not-the-secret-key")

        error = self.failure(seaweedfs_bucket, wrong.client())

        self.assert_names(error, seaweedfs_bucket, "SignatureDoesNotMatch", "check the password of the AWS connection")
        assert error.final
        assert "not-the-secret-key" not in f"{error}{error.__cause__}{caplog.text}"

    def test_by_a_key_id_that_nobody_knows(self, seaweedfs_bucket: Bucket) -> None:
        unknown = S3Endpoint(seaweedfs_bucket.server.endpoint_url, "nobody", "secret")

        error = self.failure(seaweedfs_bucket, unknown.client())

        self.assert_names(error, seaweedfs_bucket, "InvalidAccessKeyId", "check the login of the AWS connection")
        assert error.final

    def test_by_nobody_as_the_server_can_not_be_reached(self, moto_bucket: Bucket) -> None:
        with socket.socket() as discarding:
            discarding.bind(("127.0.0.1", 0))
            nowhere = S3Endpoint(f"http://127.0.0.1:{discarding.getsockname()[1]}", "key-id", "the-secret-key")

            error = self.failure(moto_bucket, nowhere.client(retries={"max_attempts": 0}))

        self.assert_names(error, moto_bucket, "Check the endpoint of the AWS connection and the network.")
        assert not error.final
        assert "the-secret-key" not in f"{error}{error.__cause__}"

    def test_without_credentials(self, moto_bucket: Bucket) -> None:
        import boto3

        client = boto3.session.Session().client("s3", endpoint_url=moto_bucket.server.endpoint_url)

        error = self.failure(moto_bucket, client)

        self.assert_names(
            error, moto_bucket, "Unable to locate credentials", "Set login and password of the AWS connection"
        )
        assert error.final

    @pytest.mark.parametrize("code", ["SlowDown", "InternalError", "RequestTimeout"])
    def test_for_now(self, moto_bucket: Bucket, moto_proxy: FaultProxy, code: str) -> None:
        moto_proxy.on("PutObject", refused(503, code), times=10)

        error = self.failure(moto_bucket, moto_proxy.client(retries={"max_attempts": 1}))

        self.assert_names(error, moto_bucket, code, "Another attempt may succeed.")
        assert not error.final

    def test_by_the_tags(self, moto_bucket: Bucket) -> None:
        with pytest.raises(StoreError, match=r"InvalidTag.*check `tags`") as failure:
            load(moto_bucket, NUMBERS, tags={"who": "you & me"})

        assert failure.value.final
