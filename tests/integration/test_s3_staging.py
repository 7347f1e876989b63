"""Staged files of S3 are found, read whole through the client of the load, and never mixed up."""

from __future__ import annotations

import gzip
import io
import json
import random
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_s3dest.errors import ReplacedFileError, SpecError, StagingError, StoreError
from airflow_provider_s3dest.sources.s3_files import S3Files
from airflow_provider_s3dest.sources.staging import staged_tables
from tests.integration.loading import MIB, load_staged, records_in
from tests.servers import Bucket, S3Endpoint
from tests.servers.bucket_policy import deny
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, altered_answer, cut, refused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@dataclass(frozen=True)
class Staging:
    """A bucket with staged files, and what a load of them reads."""

    bucket: Bucket

    def put(self, key: str, *numbers: int) -> None:
        """Stage a file with one record a number, in the format and compression of its ending."""
        records = [{"n": number} for number in numbers]
        if ".parquet" in key:
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(records), sink)
            content = sink.getvalue()
        elif ".csv" in key:
            content = "\n".join(["n", *map(str, numbers)]).encode()
        else:
            content = b"".join(json.dumps(record).encode() + b"\n" for record in records)
        if key.endswith(".gz"):
            content = gzip.compress(content)
        elif key.endswith(".zst"):
            content = zstd.compress(content)
        self.bucket.write(key, content)

    def path(self, path: str) -> str:
        """Return the path of something in the bucket."""
        return f"s3://{self.bucket.name}/{path}"

    def numbers(self, *paths: str, client: Any = None, table: str | None = "t") -> list[int]:
        """Load staged files, and read back which numbers arrived, in order."""
        load_staged(self.bucket, [self.path(path) for path in paths], table, client=client)
        return [int(record["n"]) for record in records_in(self.bucket)]


@pytest.fixture
def staging(bucket: Bucket) -> Staging:
    """An empty bucket to stage in, on one server after the other."""
    return Staging(bucket)


@pytest.fixture
def moto_staging(moto_bucket: Bucket) -> Staging:
    """An empty bucket to stage in, on moto."""
    return Staging(moto_bucket)


class TestFinds:
    @pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
    @pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
    def test_one_file(self, seaweedfs_bucket: Bucket, kind: str, ending: str) -> None:
        staging = Staging(seaweedfs_bucket)
        staging.put(f"in/a.{kind}{ending}", 1, 2, 3)
        staging.put(f"in/a.{kind}{ending}.{kind}", 4)

        assert staging.numbers(f"in/a.{kind}{ending}") == [1, 2, 3]

    @pytest.mark.parametrize("path", ["in/", "in"])
    def test_a_folder_at_any_depth_sorted_without_markers_and_hidden_files(self, staging: Staging, path: str) -> None:
        staging.bucket.write("in/", b"")
        staging.bucket.write("in/deep/", b"")
        staging.put("in/b.ndjson", 3)
        staging.put("in/deep/c.csv", 4, 5)
        staging.put("in/a.parquet", 1, 2)
        for beside in ("in/_SUCCESS", "in/.b.ndjson", "in/_tmp/x.csv", "inner/x.csv", "other/x.csv"):
            staging.put(beside, 9)

        assert staging.numbers(path) == [1, 2, 3, 4, 5]

    def test_a_glob(self, moto_staging: Staging) -> None:
        moto_staging.put("in/2026/a-1.csv", 1)
        moto_staging.put("in/2026/a-2.csv", 2)
        for beside in ("in/2026/b-1.csv", "in/2026/a-1.ndjson", "in/2026/deep/a-1.csv", "in/a-1.csv"):
            moto_staging.put(beside, 9)

        assert moto_staging.numbers("in/20*/a-?.csv") == [1, 2]

    def test_a_list_of_paths_and_no_file_twice(self, moto_staging: Staging) -> None:
        moto_staging.put("in/a.csv", 1)
        moto_staging.put("in/b.csv", 2)
        moto_staging.put("more/c.csv", 3)

        assert moto_staging.numbers("more/c.csv", "in/*.csv", "in/a.csv") == [1, 2, 3]

    def test_tables_by_their_place_in_the_path(self, moto_staging: Staging) -> None:
        moto_staging.put("in/cats/1.csv", 1)
        moto_staging.put("in/cats/2.csv", 2)
        moto_staging.put("in/dogs/1.csv", 3)
        moto_staging.put("in/dogs/1.ndjson", 9)

        report = load_staged(moto_staging.bucket, moto_staging.path("in/{{TABLE}}/*.csv"), None)

        assert {name: table.records for name, table in report.tables.items()} == {"cats": 2, "dogs": 1}
        assert records_in(moto_staging.bucket, "out/cats/") == [{"n": "1"}, {"n": "2"}]
        assert records_in(moto_staging.bucket, "out/dogs/") == [{"n": "3"}]

    def test_keys_that_a_url_would_have_to_escape(self, staging: Staging) -> None:
        for number, name in enumerate(("a b", "a%20b", "a+b", "a&b=c", "a#b", "åß∂", "日本"), 1):
            staging.put(f"in/{name}/x.csv", number)
            assert staging.numbers(f"in/{name}/x.csv")[-1:] == [number], name

        assert sorted(staging.numbers("in/*/x.csv")) == [1, 2, 3, 4, 5, 6, 7]

    def test_all_objects_of_a_listing_of_several_pages(self, seaweedfs_bucket: Bucket) -> None:
        staging = Staging(seaweedfs_bucket)
        client = seaweedfs_bucket.server.client()
        keys = [f"in/{number:04}.csv" for number in range(1_005)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda key: client.put_object(Bucket=staging.bucket.name, Key=key, Body=b""), keys))

        store = S3Files(client)
        (files,) = staged_tables(staging.path("in/*.csv"), "t", lambda _scheme: store).values()

        assert [file.path for file in files] == [staging.path(key) for key in keys]


LINES = [{"n": n, "text": random.Random(n).randbytes(20).hex()} for n in range(40_000)]
"""Records of 2.3 MiB as NDJSON: several requests of a reader, and more than a socket holds."""


def lines(records: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class TestReads:
    def test_on_where_a_connection_broke(self, bucket: Bucket, proxy: FaultProxy) -> None:
        bucket.write("in/a.ndjson", lines(LINES))
        proxy.on("GetObject", cut(700_000))
        proxy.on("GetObject", cut(500_000))

        load_staged(bucket, f"s3://{bucket.name}/in/a.ndjson", client=proxy.client())

        assert records_in(bucket) == LINES
        first, *again = proxy.seen("GetObject")
        assert "Range" not in first.headers
        assert len(again) == 2
        etag = bucket.head("in/a.ndjson")["ETag"]
        for request in again:
            assert request.headers["Range"] > "bytes=0-"
            assert request.headers["If-Match"] == etag

    def test_no_mixture_of_two_objects_after_a_connection_broke(self, bucket: Bucket, proxy: FaultProxy) -> None:
        bucket.write("in/a.ndjson", lines(LINES))

        def replace_and_cut(request: Request, send: Send) -> Answer:
            answer = cut(700_000)(request, send)
            bucket.write("in/a.ndjson", lines(LINES[::-1]))
            return answer

        proxy.on("GetObject", replace_and_cut)

        with pytest.raises(
            ReplacedFileError, match=r"GetObject s3://.*/in/a\.ndjson: .*replaced while it was read"
        ) as failure:
            load_staged(bucket, f"s3://{bucket.name}/in/a.ndjson", client=proxy.client(), batch_size=50_000)

        assert not failure.value.final  # another attempt lists and reads anew
        assert bucket.keys("out/") == []

    @pytest.mark.parametrize("path", ["in/a.csv", "in/"], ids=["named", "listed"])
    def test_no_object_that_was_replaced_after_it_was_found(self, seaweedfs_bucket: Bucket, path: str) -> None:
        seaweedfs_bucket.write("in/a.csv", b"n\n1\n")
        client = seaweedfs_bucket.server.client()
        opened: list[str] = []

        def replace(**_: Any) -> None:
            if not opened:
                opened.append("in/a.csv")
                seaweedfs_bucket.write("in/a.csv", b"m\n2\n")

        client.meta.events.register("provide-client-params.s3.GetObject", replace)

        with pytest.raises(ReplacedFileError, match="replaced while it was read"):
            load_staged(seaweedfs_bucket, f"s3://{seaweedfs_bucket.name}/{path}", client=client)

        assert opened
        assert seaweedfs_bucket.keys("out/") == []

    def test_no_object_that_was_deleted_after_it_was_found(self, seaweedfs_bucket: Bucket) -> None:
        seaweedfs_bucket.write("in/a.csv", b"n\n1\n")
        client = seaweedfs_bucket.server.client()
        client.meta.events.register(
            "provide-client-params.s3.GetObject",
            lambda **_: seaweedfs_bucket.server.client().delete_object(Bucket=seaweedfs_bucket.name, Key="in/a.csv"),
        )

        with pytest.raises(StoreError, match=r"GetObject s3://.*/in/a\.csv: ") as failure:
            load_staged(seaweedfs_bucket, f"s3://{seaweedfs_bucket.name}/in/", client=client)

        assert failure.value.final

    def test_no_bytes_that_changed_on_the_way(self, bucket: Bucket, proxy: FaultProxy) -> None:
        bucket.write("in/a.ndjson", b'{"n":1}\n{"n":22}')
        proxy.on("GetObject", altered_answer, times=10)

        refusal = r"GetObject s3://.*/in/a\.ndjson: Expected checksum"
        with pytest.raises(StoreError, match=refusal) as failure:
            load_staged(bucket, f"s3://{bucket.name}/in/a.ndjson", client=proxy.client())

        assert not failure.value.final
        assert bucket.keys("out/") == []

    def test_and_gives_up_when_every_connection_breaks(self, bucket: Bucket, proxy: FaultProxy) -> None:
        bucket.write("in/a.ndjson", lines(LINES[:100]))
        proxy.on("GetObject", cut(0), times=100)

        with pytest.raises(StoreError, match=r"GetObject s3://.*/in/a\.ndjson: .*the network") as failure:
            load_staged(bucket, f"s3://{bucket.name}/in/a.ndjson", client=proxy.client())

        assert not failure.value.final
        assert bucket.keys("out/") == []

    def test_parquet_by_the_ranges_that_it_needs(self, bucket: Bucket, proxy: FaultProxy) -> None:
        sink = io.BytesIO()
        records = [{"n": n, "skipped": n % 3} for n in range(150_000)]
        pq.write_table(pa.Table.from_pylist(records), sink, compression="none", use_dictionary=False)
        assert len(sink.getvalue()) > 2 * MIB
        bucket.write("in/a.parquet", sink.getvalue())

        load_staged(bucket, f"s3://{bucket.name}/in/", client=proxy.client(), batch_size=150_000)

        assert records_in(bucket) == records
        # Its index is at its end, so that is what it reads first.
        begin = int(proxy.seen("GetObject")[0].headers["Range"].removeprefix("bytes=").rstrip("-"))
        assert begin > len(sink.getvalue()) - 2 * MIB


class TestFindsNothing:
    @pytest.mark.parametrize("path", ["in/", "in/a.csv", "in/*.csv", "in/{{TABLE}}/*.csv"])
    def test_where_nothing_is(self, moto_staging: Staging, path: str) -> None:
        moto_staging.put("inner/a.csv", 1)
        moto_staging.bucket.write("in/", b"")
        moto_staging.put("in/_hidden.csv", 1)
        table = None if "{{" in path else "t"

        with pytest.raises(StagingError, match=r"matches no file\. Check it, and that the upstream task staged there"):
            moto_staging.numbers(path, table=table)

    @pytest.mark.parametrize("path", ["in/", "in/a.csv"], ids=["listed", "named"])
    def test_in_a_bucket_that_is_not_there(self, bucket: Bucket, path: str) -> None:
        with pytest.raises(
            StoreError, match=r"ListObjectsV2 s3://no-such-bucket/.*NoSuchBucket.*Check its name"
        ) as failure:
            load_staged(bucket, f"s3://no-such-bucket/{path}")

        assert failure.value.final

    @pytest.mark.parametrize("path", ["in/a.csv", "in/"], ids=["named", "listed"])
    def test_that_it_may_read(self, bucket: Bucket, path: str) -> None:
        bucket.write("in/a.csv", b"n\n1\n")
        deny(bucket, "s3:GetObject")

        with pytest.raises(
            StoreError, match=r"(Get|Head)Object s3://.*/in/a\.csv: .* need s3:GetObject there"
        ) as failure:
            load_staged(bucket, f"s3://{bucket.name}/{path}")

        assert failure.value.final
        assert bucket.keys("out/") == []

    def test_that_it_may_list(self, seaweedfs_bucket: Bucket, seaweedfs_proxy: FaultProxy) -> None:
        seaweedfs_proxy.on("ListObjectsV2", refused(403, "AccessDenied"))

        with pytest.raises(StoreError, match=r"ListObjectsV2 s3://.*/in/: .* need s3:ListBucket there"):
            load_staged(seaweedfs_bucket, f"s3://{seaweedfs_bucket.name}/in/", client=seaweedfs_proxy.client())

    @pytest.mark.parametrize("path", ["in/a.csv", "in/"], ids=["named", "listed"])
    def test_on_a_server_that_can_not_be_reached(self, moto_bucket: Bucket, path: str) -> None:
        with socket.socket() as discarding:
            discarding.bind(("127.0.0.1", 0))
            nowhere = S3Endpoint(f"http://127.0.0.1:{discarding.getsockname()[1]}", "id", "secret")

            with pytest.raises(StoreError, match="Check the endpoint of the AWS connection") as failure:
                load_staged(
                    moto_bucket, f"s3://{moto_bucket.name}/{path}", client=nowhere.client(retries={"max_attempts": 0})
                )

        assert not failure.value.final

    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            ("s3://aws_default@bucket/in/", "Take it out: staging is read with the AWS connection of the load"),
            ("s3:///in/", r"names no bucket or file\. Write s3://bucket/folder/"),
        ],
    )
    def test_by_a_path_that_is_none(self, moto_bucket: Bucket, path: str, problem: str) -> None:
        with pytest.raises((SpecError, StagingError), match=problem):
            load_staged(moto_bucket, path)
