"""A load deletes no object that it can't prove to be its own, however its keys are shared with other loads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.errors import LoadStoppedError, StoreError
from airflow_provider_s3dest.report import LoadReport
from tests.integration.loading import load, plan_of, spec_of
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused

TABLES = "out/{{TABLE}}.json"
DAYS = "out/{{FIELD.day}}/data.json"
BOTH = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
TRIED_ONCE: dict[str, Any] = {"retries": {"total_max_attempts": 1}}


def run(bucket: Bucket, run_id: str, records: Any, *, number: int = 1, client: Any = None, **how: Any) -> LoadReport:
    """Make one attempt of the load of a run, whose keys all runs share."""
    client = client or bucket.server.client()
    state = S3StateStore(client, bucket.name, f"state/{run_id}.json", Attempt(number=number))
    table = None if isinstance(records, dict) else "t"
    how = {"path": TABLES, "no_rotate": True, **how}
    return load(bucket, records, table, client=client, load_id=run_id, state=state, **how)


def day(number: int, run_id: str) -> dict[str, Any]:
    return {"day": number, "run": run_id}


def killed() -> Iterator[dict[str, Any]]:
    """End a load as a kill does, before any record is read."""
    yield from map(_kill, [{}])


def _kill(_: Any) -> Any:
    raise LoadStoppedError("killed")


def bodies(bucket: Bucket) -> dict[str, str]:
    return {key.removeprefix("out/"): body.decode().strip() for key, body in bucket.objects("out/").items()}


class TestOfAnotherRun:
    @BOTH
    @pytest.mark.parametrize("same_bytes", [False, True], ids=["other bytes", "the same bytes"])
    def test_an_object_stays_that_it_wrote_since(self, bucket: Bucket, atomic: bool, same_bytes: bool) -> None:
        first, second = "run-1", "run-1" if same_bytes else "run-2"
        run(bucket, "run-1", [day(1, first), day(2, first)], path=DAYS, atomic=atomic)
        run(bucket, "run-2", [day(2, second), day(3, second)], path=DAYS, atomic=atomic)
        before = bodies(bucket)

        run(bucket, "run-1", [day(1, first)], number=2, path=DAYS, atomic=atomic)

        assert bodies(bucket) == before
        assert list(before) == ["1/data.json", "2/data.json", "3/data.json"]

    @BOTH
    def test_an_object_stays_that_a_killed_attempt_was_only_about_to_write(self, bucket: Bucket, atomic: bool) -> None:
        run(bucket, "run-1", {"a": [{"n": 1}], "b": [{"n": 1}]}, atomic=atomic)
        with pytest.raises(LoadStoppedError):
            run(bucket, "run-2", {"a": killed(), "b": killed()}, atomic=atomic)

        run(bucket, "run-2", {"a": [{"n": 2}]}, number=2, atomic=atomic)

        assert bodies(bucket) == {"a.json": '{"n":2}', "b.json": '{"n":1}'}

    def test_its_objects_stay_while_no_complete_succeeds(self, bucket: Bucket, proxy: FaultProxy) -> None:
        run(bucket, "run-1", {"a": [{"n": 1}], "b": [{"n": 1}]}, atomic=True)
        before = bodies(bucket)
        proxy.on("CompleteMultipartUpload", refused(503, "SlowDown"), times=100)

        for number in (1, 2):
            with pytest.raises(StoreError):
                run(
                    bucket,
                    "run-2",
                    {"a": [{"n": 2}], "b": [{"n": 2}]},
                    number=number,
                    atomic=True,
                    client=proxy.client(**TRIED_ONCE),
                )
            assert bodies(bucket) == before

        proxy.mend()
        run(bucket, "run-2", {"a": [{"n": 2}], "b": [{"n": 2}]}, number=3, atomic=True)
        assert bodies(bucket) == {"a.json": '{"n":2}', "b.json": '{"n":2}'}
        assert bucket.open_uploads() == []

    def test_each_key_is_old_or_new_once_a_complete_succeeded(self, bucket: Bucket, proxy: FaultProxy) -> None:
        tables = {name: [{"n": 1}] for name in "abcd"}
        run(bucket, "run-1", tables, atomic=True)
        proxy.on("CompleteMultipartUpload", refused(503, "SlowDown"), times=100, after=2)

        with pytest.raises(StoreError):
            run(
                bucket,
                "run-2",
                {name: [{"n": 2}] for name in "abcd"},
                atomic=True,
                client=proxy.client(**TRIED_ONCE),
            )

        assert list(bodies(bucket)) == [f"{name}.json" for name in "abcd"]
        assert sorted(bodies(bucket).values()) == ['{"n":1}'] * 2 + ['{"n":2}'] * 2

    def test_its_objects_stay_when_the_next_attempt_fails_too(self, bucket: Bucket) -> None:
        run(bucket, "run-1", [{"n": 1}], atomic=True)
        for number in (1, 2):
            with pytest.raises(LoadStoppedError):
                run(bucket, "run-2", killed(), number=number, atomic=True)

        assert bodies(bucket) == {"t.json": '{"n":1}'}

    def test_its_manifest_stays(self, bucket: Bucket) -> None:
        how: dict[str, Any] = {"manifest": "s3dest", "manifest_path": "manifest.json"}
        run(bucket, "run-1", [{"n": 1}], **how)
        run(bucket, "run-2", [{"n": 2}], **how)
        manifest = bucket.read("manifest.json")

        run(bucket, "run-1", [{"n": 1}], number=2)

        assert bucket.read("manifest.json") == manifest


class TestItsOwn:
    @BOTH
    def test_surplus_is_deleted_and_nothing_else_remains(self, bucket: Bucket, atomic: bool) -> None:
        run(
            bucket,
            "run-1",
            {"a": [{"n": 1}], "b": [{"n": 1}]},
            atomic=atomic,
            manifest="s3dest",
            manifest_path="m.json",
        )

        run(bucket, "run-1", {"a": [{"n": 2}]}, number=2, atomic=atomic)

        assert bucket.keys() == ["out/a.json", "state/run-1.json"]

    def test_surplus_that_is_gone_already_is_no_fault(self, bucket: Bucket) -> None:
        run(bucket, "run-1", {"a": [{"n": 1}], "b": [{"n": 1}]})
        bucket.server.client().delete_object(Bucket=bucket.name, Key="out/b.json")

        run(bucket, "run-1", {"a": [{"n": 2}]}, number=2)

        assert list(bodies(bucket)) == ["a.json"]

    def test_what_it_stored_is_not_sent_again_and_what_another_stored_is(self, bucket: Bucket) -> None:
        run(bucket, "run-1", [{"n": 1}])
        assert bucket.head("out/t.json")["Metadata"]["s3dest-load"] == LoadIdentity.of_load_id("run-1").load_uuid
        run(bucket, "run-2", [{"n": 1}])

        run(bucket, "run-1", [{"n": 1}], number=2)

        assert bucket.head("out/t.json")["Metadata"]["s3dest-load"] == LoadIdentity.of_load_id("run-1").load_uuid


class TestCanNotBeProven:
    @pytest.fixture(autouse=True)
    def surplus(self, bucket: Bucket) -> None:
        run(bucket, "run-1", {"a": [{"n": 1}], "b": [{"n": 1}]})

    def test_without_the_right_to_look(self, bucket: Bucket, proxy: FaultProxy) -> None:
        proxy.on("HeadObject", refused(403, "AccessDenied"), prefix="out/b")
        with pytest.raises(StoreError, match=r"out/b\.json .*the credentials need s3:GetObject and s3:List") as caught:
            run(bucket, "run-1", {"a": [{"n": 2}]}, number=2, client=proxy.client())

        assert caught.value.final
        assert list(bodies(bucket)) == ["a.json", "b.json"]

    def test_without_the_right_to_delete(self, bucket: Bucket, proxy: FaultProxy) -> None:
        run(bucket, "run-1", {"a": [{"n": 1}], "b": [{"n": 1}], "c": [{"n": 1}]}, number=2)
        probes: list[str] = []

        def noted(request: Request, send: Send) -> Answer:
            probes.extend([request.key] if "_s3dest-probe-" in request.key and request.operation == "PutObject" else [])
            return refused(403, "AccessDenied")(request, send) if request.operation == "DeleteObject" else send(request)

        proxy.on_each(noted)
        with pytest.raises(StoreError, match=r"out/[bc]\.json .*the credentials need .*s3:DeleteObject") as caught:
            run(bucket, "run-1", {"a": [{"n": 2}]}, number=3, client=proxy.client())

        assert caught.value.final
        assert {"a.json", "b.json", "c.json"} <= bodies(bucket).keys()
        assert len(probes) == 1

    def test_on_a_store_that_ignores_the_condition(self, bucket: Bucket, proxy: FaultProxy) -> None:
        def without_condition(request: Request, send: Send) -> Answer:
            if request.operation != "DeleteObject":
                return send(request)
            bucket.server.client().delete_object(Bucket=bucket.name, Key=request.key)
            return Answer(204, {}, b"")

        proxy.on_each(without_condition)
        with pytest.raises(StoreError, match=r"out/b\.json .*does not delete on a condition") as caught:
            run(bucket, "run-1", {"a": [{"n": 2}]}, number=2, client=proxy.client())

        assert caught.value.final
        assert list(bodies(bucket)) == ["a.json", "b.json"]

    def test_where_it_is_replaced_between_the_look_and_the_deletion(self, bucket: Bucket, proxy: FaultProxy) -> None:
        def replaced(request: Request, send: Send) -> Answer:
            if request.operation == "DeleteObject" and request.key == "out/b.json":
                proxy.on_each(None)
                run(bucket, "run-2", {"b": [{"n": 2}]})
            return send(request)

        proxy.on_each(replaced)
        run(bucket, "run-1", {"a": [{"n": 2}]}, number=2, client=proxy.client())

        assert bodies(bucket) == {"a.json": '{"n":2}', "b.json": '{"n":2}'}


class TestOfMappedInstances:
    def identity(self, map_index: int) -> LoadIdentity:
        return LoadIdentity.of_task_instance("dag", "run", "task", map_index)

    @pytest.mark.parametrize(
        ("map_index", "path", "deletes"),
        [
            (-1, TABLES, True),
            (3, TABLES, False),
            (3, "out/{{ ti.map_index }}/{{TABLE}}.json", True),
        ],
    )
    def test_may_delete_only_what_holds_the_map_index(
        self, moto_bucket: Bucket, map_index: int, path: str, deletes: bool
    ) -> None:
        plan = plan_of(spec_of(moto_bucket, path=TABLES, no_rotate=True), written_path=path)

        assert replace(plan, identity=self.identity(map_index)).deletes_shared is deletes

    @BOTH
    def test_they_leave_surplus_and_name_it(
        self, bucket: Bucket, atomic: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        run(bucket, "run-1", {"a": [{"n": 1}], "b": [{"n": 1}]}, atomic=atomic, deletes_shared=False)

        run(bucket, "run-1", {"a": [{"n": 1}]}, number=2, atomic=atomic, deletes_shared=False)

        assert list(bodies(bucket)) == ["a.json", "b.json"]
        assert (
            f"1 objects stay, because another mapped instance may own them: s3://{bucket.name}/out/b.json"
            in caplog.text
        )
