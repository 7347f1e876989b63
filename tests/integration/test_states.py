"""A load takes the state that it finds only if it can be read, belongs to the load and names only keys of the load."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from airflow_provider_s3dest.delivery import fence
from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import LoadStoppedError, S3DestinationError, StateError, SupersededError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.deliver import deliver_as_planned
from airflow_provider_s3dest.load.inputs import FileStores
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.state_path import state_object
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.stop import StopFlag
from tests.integration.loading import MOMENT
from tests.model.memory_client import MemoryClient, Requests
from tests.model.memory_s3 import MemoryS3, Stored

STATE = "lake", "state/load.json"
UUIDS = "raw/{{TABLE}}/{{UUID}}.json"
TASK = LoadIdentity.of_task_instance("dag", "run", "load", -1)
BOTH = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an attempt not wait for what an earlier one may yet send: none of them lives."""
    monkeypatch.setattr(fence, "QUIET_SECONDS", 0.0)


@dataclass
class AirflowStore:
    """Keeps a state as Airflow does: no other load writes there."""

    text: str | None = None
    error: Exception | None = None
    is_superseded: bool = False
    durable = in_order = follows = True
    is_open = False
    where, remedy = "The key 's3dest'", "Delete the key."

    def peek(self) -> str | None:
        if self.error is not None:
            raise self.error
        return None if self.is_superseded else self.text

    def update(self, change: Callable[[str | None], str]) -> None:
        text = change(self.peek())
        if self.is_superseded:
            raise SupersededError("superseded")
        self.text = text

    def write(self, text: str) -> None:
        self.text = text

    def verify(self) -> None:
        """Nobody else is there."""


@dataclass
class World:
    """A bucket in memory, and what keeps the state of the load."""

    s3: MemoryS3 = field(default_factory=MemoryS3)

    def attempt(
        self,
        records: Any,
        *,
        identity: LoadIdentity = TASK,
        number: int = 1,
        began: str = "2026-02-03T04:05:06+00:00",
        earlier: StateStore | None = None,
        state: StateStore | None = None,
        bucket: str = "lake",
        atomic: bool = False,
        **how: Any,
    ) -> LoadReport:
        """Make an attempt; `how` are arguments of the load, and fields of the spec."""
        arguments = {name: how.pop(name) for name in _ARGUMENTS if name in how}
        fields = {"bucket": bucket, "path": UUIDS, "format": "json", **how}
        if records is not None:
            arguments["records"] = records
        plan = LoadPlan.of(LoadArguments(fields=fields, atomic=atomic, **arguments), identity, MOMENT)
        stop = StopFlag()
        client: Any = MemoryClient(self.s3, Requests(None, stop))
        state = state or S3StateStore(client, *STATE, Attempt(began, number), earlier)
        sweeper = Sweeper(client, stop, plan.spec.put_arguments, deletes_shared=plan.deletes_shared)
        delivery = Delivery(
            plan.settings,
            plan.identity,
            state,
            sweeper,
            atomic=atomic,
            staged=plan.is_staged,
            rules=plan.state_rules,
        )
        return deliver_as_planned(plan, delivery, client, FileStores(client, _no_store), stop)

    @property
    def state(self) -> dict[str, Any]:
        """The state in the object."""
        state: dict[str, Any] = json.loads(json.loads(self.s3.objects[STATE].body)["record"])
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Write a state by hand."""
        body = {**json.loads(self.s3.objects[STATE].body), "record": json.dumps(state)}
        self.set_body(json.dumps(body).encode())

    def set_body(self, body: bytes) -> None:
        self.s3.objects[STATE] = Stored(body, f'"{hash(body)}"')

    def data(self, prefix: str = "") -> list[str]:
        """The keys of all objects but the state."""
        return sorted(f"{bucket}/{key}" for bucket, key in self.s3.objects.keys() - {STATE} if key.startswith(prefix))

    def refuses(self, match: str, records: Any, **how: Any) -> None:
        """Check that an attempt is refused, with the object and the way out, and that nothing has changed."""
        before, uploads = dict(self.s3.objects), copy.copy(self.s3.uploads)
        with pytest.raises(StateError, match=match) as caught:
            self.attempt(records, **how)
        assert self.s3.objects == before
        assert self.s3.uploads == uploads
        assert caught.value.final
        assert "s3://lake/state/load.json" in str(caught.value)
        assert "state_path" in str(caught.value)


_ARGUMENTS = ("manifest", "on_bad_record", "staging_path", "table", "written_path", "delete_staging")


def _no_store() -> Any:
    raise AssertionError


def killed() -> Iterator[dict[str, Any]]:
    """End a load as a kill does."""
    yield {"n": 1}
    raise LoadStoppedError("killed")


@pytest.fixture
def world() -> World:
    return World()


class TestOfAnotherLoad:
    """Under `state_path`, a state of another bucket or path is refused before anything is written."""

    @BOTH
    @pytest.mark.parametrize("written", ["stage/{{ ds }}/{{UUID}}.json", "prod/{{ ts }}/{{UUID}}.json"])
    def test_with_another_path(self, world: World, written: str, atomic: bool) -> None:
        prod = "prod/{{ ds }}/{{UUID}}.json"
        world.attempt({"t": [{"n": 1}]}, path="prod/2026-02-03/{{UUID}}.json", written_path=prod, atomic=atomic)
        rendered = written.replace("{{ ds }}", "2026-02-03").replace("{{ ts }}", "2026-02-03")

        world.refuses(r"is the state of a load to the path", {"t": []}, path=rendered, written_path=written, number=2)

    @BOTH
    def test_with_another_path_before_any_object_was_there(self, world: World, atomic: bool) -> None:
        with pytest.raises(LoadStoppedError):
            world.attempt({"t": killed()}, path="prod/{{UUID}}.json", atomic=atomic)

        world.refuses(r"is the state of a load to the path", {"t": []}, path="stage/{{UUID}}.json", number=2)

    def test_with_another_bucket(self, world: World) -> None:
        world.attempt({"t": [{"n": 1}]}, bucket="other")

        world.refuses(r"to the bucket 'other', and this load goes to 'lake'", {"t": [{"n": 1}]}, number=2)

    @BOTH
    def test_of_the_hook_without_a_table_in_common(self, world: World, atomic: bool) -> None:
        chosen = LoadIdentity.of_load_id("2026-02-03")
        world.attempt({"orders": [{"n": 1}], "items": [{"n": 1}]}, identity=chosen, atomic=atomic)

        world.refuses(
            r"is the state of a load of 'items', 'orders', and .* of 'customers'", {"customers": []}, identity=chosen
        )
        world.attempt({"orders": [{"n": 1}], "customers": [{"n": 1}]}, identity=chosen, atomic=atomic)

        assert len(world.data("raw/orders")) == len(world.data("raw/customers")) == 1
        assert world.data("raw/items") == []

    def test_of_the_hook_whose_tables_no_object_shows_yet(self, world: World) -> None:
        chosen = LoadIdentity.of_load_id("2026-02-03")
        with pytest.raises(LoadStoppedError):
            world.attempt({"orders": killed()}, identity=chosen, atomic=True)

        world.refuses(r"is the state of a load of 'orders'", {"customers": []}, identity=chosen)

    @BOTH
    def test_a_task_may_load_other_tables(self, world: World, atomic: bool) -> None:
        world.attempt({"orders": [{"n": 1}]}, atomic=atomic)
        world.attempt({"customers": [{"n": 1}]}, number=2, atomic=atomic)

        assert [key.split("/")[2] for key in world.data()] == ["customers"]

    @pytest.mark.parametrize(
        ("written", "first", "then"),
        [
            ("raw/{{ run_id }}/{{UUID}}.json", "raw/1/{{UUID}}.json", "raw/2/{{UUID}}.json"),
            ("{{ a }}/{{ TABLE }}/{{ b }}{{UUID}}.json", "x/{{TABLE}}/{{UUID}}.json", "y/z/{{TABLE}}/q{{UUID}}.json"),
            ("raw/{% if x %}a/{% endif %}{{UUID}}.json", "raw/a/{{UUID}}.json", "raw/{{UUID}}.json"),
        ],
    )
    def test_the_same_path_may_be_rendered_to_another(self, world: World, written: str, first: str, then: str) -> None:
        world.attempt({"t": [{"n": 1}]}, path=first, written_path=written)
        world.attempt({"t": [{"n": 2}]}, path=then, written_path=written, number=2)

        assert [body.body for place, body in world.s3.objects.items() if place != STATE] == [b'{"n":2}\n']

    def test_in_airflow_s_own_store_another_path_is_cleaned_up(self, world: World) -> None:
        store = AirflowStore()
        world.attempt({"t": [{"n": 1}]}, state=store, path="old/{{UUID}}.json", bucket="other")
        world.attempt({"t": [{"n": 1}]}, state=store)

        assert len(world.data()) == len(world.data("raw/")) == 1

    def test_of_version_0_1_0_is_taken_if_bucket_and_path_agree(self, world: World) -> None:
        world.attempt({"t": [{"n": 1}], "u": [{"n": 1}]})
        old = {name: value for name, value in world.state.items() if name not in ("written_path", "used")}
        world.set_state(old)
        world.refuses(r"names objects of the path", {"t": [{"n": 1}]}, path="other/{{UUID}}.json", number=2)

        world.attempt({"t": [{"n": 1}]}, number=2)

        assert [key.split("/")[2] for key in world.data()] == ["t"]
        assert world.state["written_path"] == UUIDS


FOREIGN_UUID = "660ed1d5-a472-5476-ab1b-92667aff6967"


def _ranges(path: str = UUIDS, bucket: str = "lake", quarantine: str | None = None, table: str = "x") -> dict[str, Any]:
    partition = "" if quarantine is None else "quarantine"
    return {
        "naming": [bucket, path, "json", None, 0, *([] if quarantine is None else [quarantine])],
        "spans": [[table, partition, 0, 1]],
        "committed": False,
    }


class TestNamesOtherKeys:
    """A state that somebody wrote can't make a load delete what is not its own."""

    @pytest.mark.parametrize(
        "hostile",
        [
            {"doomed": [_ranges(path="victim/{{TABLE}}.json")]},
            {"live": [_ranges(path="victim/{{TABLE}}.json")]},
            {"pending": [_ranges(path="victim/{{UUID}}.json")]},
            {"doomed": [_ranges(bucket="other")]},
            {"doomed": [_ranges(quarantine="victim/{{TABLE}}.json")]},
            {"doomed": [_ranges(table="..")]},
            {"sidecars": [["lake", "victim/x.json"]]},
            {"old_sidecars": [["lake", "victim/x.json"]]},
            {"old_sidecars": [["lake", "victim/x.json"]], "owned_sidecars": [["lake", "victim/x.json"]]},
            {"old_sidecars": [["other", "victim/x.json"]]},
            {"uploads": [["lake", "victim/x.json", "upload-1"]]},
            {"uploads": [["other", "victim/x.json", "upload-1"]]},
            {"live": [{**_ranges(), "spans": [["t", "", 0, 10**12]]}]},
        ],
        ids=json.dumps,
    )
    @BOTH
    @pytest.mark.parametrize("old", [False, True], ids=["new", "of version 0.1.0"])
    def test_is_refused(self, world: World, hostile: dict[str, Any], atomic: bool, old: bool) -> None:
        world.attempt({"t": [{"n": 1}]}, manifest="s3dest")
        for place in [("lake", "victim/x.json"), ("other", "victim/x.json")]:
            world.s3.objects[place] = Stored(b"", '"1"')
        world.s3.objects["lake", f"raw/_manifest/{FOREIGN_UUID}.json"] = Stored(b"", '"1"')
        world.s3.create_multipart_upload(Bucket="lake", Key="victim/x.json")
        state = world.state
        if old:
            state = {name: value for name, value in state.items() if name not in ("written_path", "used")}
        world.set_state({**state, **hostile})

        world.refuses(
            r"names|bucket|path of bad records|can't be part",
            {"t": [{"n": 1}]},
            manifest="s3dest",
            atomic=atomic,
            number=2,
        )

    def test_a_manifest_of_another_load_is_refused(self, world: World) -> None:
        world.attempt({"t": [{"n": 1}]}, manifest="s3dest")
        world.set_state({**world.state, "old_sidecars": [["lake", f"raw/_manifest/{FOREIGN_UUID}.json"]]})

        world.refuses(r"names the object 'raw/_manifest", {"t": [{"n": 1}]}, manifest="s3dest", number=2)

    def test_nor_is_it_deleted_where_version_0_1_0_did_not_note_the_tables(self, world: World) -> None:
        world.attempt({"t": [{"n": 1}]}, manifest="s3dest")
        other = ("lake", f"raw/_manifest/{FOREIGN_UUID}.json")
        world.s3.objects[other] = Stored(b"", '"1"')
        state = {name: value for name, value in world.state.items() if name not in ("written_path", "used")}
        world.set_state({**state, "old_sidecars": [list(other)]})

        with pytest.raises(S3DestinationError, match="can't be deleted safely"):
            world.attempt({"t": [{"n": 1}]}, manifest="s3dest", number=2)
        assert other in world.s3.objects

    @BOTH
    def test_nothing_of_its_own_is_refused(self, world: World, atomic: bool) -> None:
        how: dict[str, Any] = {"path": "raw/{{FIELD.day}}/{{TABLE}}/{{UUID}}.json", "on_bad_record": "quarantine"}
        how |= {"manifest": "s3dest", "manifest_path": "m/{{TABLE}}.json", "atomic": atomic}
        days: list[list[Any]] = [[1, 2], [2, float("nan")], [3]]
        for number, of_attempt in enumerate(days, 1):
            rows = [{"day": day, "n": day} for day in of_attempt]
            with pytest.raises(LoadStoppedError):
                world.attempt({"t": _then_killed(rows)}, number=number * 2, **how)
            world.attempt({"t": rows}, number=number * 2 + 1, **how)
        world.attempt({"t": [{"day": 1, "n": 1}]}, number=9, path=how["path"], atomic=atomic)

        assert [key.split("/")[:3] for key in world.data()] == [["lake", "raw", "1"]]
        assert world.s3.uploads == {}


def _then_killed(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from rows
    raise LoadStoppedError("killed")


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {key: value for key, value in state.items() if key != name}


WRONG: dict[str, list[Any]] = {
    "version": [2, 0, "1", None],
    "generation": [-1, "0", None, 1.5, True],
    "atomic": [0, None],
    "uploads": [None, {}, [["a", "b"]], [["a", "b", 1]], "x"],
    "consumed": [[], [[], []], [[["a"]], {}], [[], {"records": 1}], "x", 1],
    "sidecars": [None, [["a"]], ["ab"], [[1, 2]]],
    "live": [
        *(None, {}, [None], [[]], [{}], [{**_ranges(), "spans": None}], [{**_ranges(), "naming": []}]),
        *([{**_ranges(), "spans": [["t", "", *span]]}] for span in ((-1, 1), (2, 1), (0, "1"), (0,))),
        *(
            [{**_ranges(), "committed": None}],
            [{**_ranges(), "naming": ["lake", UUIDS, "json", "no date", 0]}],
        ),
        *([_ranges(path="{{NO}}")], [{**_ranges(), "naming": ["lake", UUIDS, "json", None, -1]}]),
        *([{**_ranges(), "naming": ["lake", UUIDS, "json", None, 0, None, "", "more"]}],),
        [_ranges(path="{{YEAR}}/{{UUID}}")],
        [{**_ranges(path="{{FIELD.a}}/{{UUID}}"), "spans": [["t", "b=1", 0, 1]]}],
    ],
    "written_path": [1],
    "used": [[], {"tables": "x"}],
}
"""Values that fields of a state can't have."""


class TestCanNotBeRead:
    @pytest.mark.parametrize(
        "change",
        [
            *map(_without, ("uploads", "version", "generation", "atomic", "live", "pending", "doomed", "consumed")),
            *(
                (lambda state, name=name, value=value: {**state, name: value})
                for name, values in WRONG.items()
                for value in values
            ),
            *(lambda state: [state], lambda state: None, lambda state: 5),
        ],
    )
    def test_is_one_error(self, world: World, change: Callable[[dict[str, Any]], Any]) -> None:
        world.attempt({"t": [{"n": 1}]})
        world.set_state(change(world.state))

        world.refuses(r"does not hold the state of a load", {"t": [{"n": 1}]}, number=2)

    @pytest.mark.parametrize(
        "body",
        [
            *(b"", b"no JSON", b"\xff\xfe", b"[]", b"null", b"5", b"{}", b'{"owner":"a"}', b"[" * 100_000),
            *(b'{"owner":"a","attempt":["",1],"token":"b"}', b'{"owner":"a","attempt":[],"token":"b","record":"{}"}'),
            *(
                b'{"owner":"a","attempt":%s,"token":"b","record":"{}"}' % attempt
                for attempt in (b'["",-1]', b'["","1"]', b"[1,1]", b'["",1,1]', b'"x"', b"null")
            ),
            *(
                b'{"owner":"a","attempt":["",1],"token":"b","record":%s}' % text
                for text in (b"{}", b'"{"', b'"\\ud800"')
            ),
        ],
        ids=lambda body: repr(body[:60]),
    )
    def test_nor_the_object_around_it(self, world: World, body: bytes) -> None:
        world.attempt({"t": [{"n": 1}]})
        world.set_body(body)

        world.refuses(r"does not hold the state of a load", {"t": [{"n": 1}]}, number=2)

    def test_of_airflow(self, world: World) -> None:
        with pytest.raises(
            StateError, match=r"The key 's3dest' does not hold the state of a load: .* Delete the key\."
        ):
            world.attempt({"t": [{"n": 1}]}, state=AirflowStore('{"version":1}'))

    @pytest.mark.parametrize("path", ["s3://lake/other/x.ndjson", "/etc/passwd", "s3://lake/in/sub/../x.csv"])
    def test_nor_a_list_of_staged_files_that_are_not_of_this_load(self, world: World, path: str) -> None:
        world.s3.objects["lake", "in/a.ndjson"] = Stored(b'{"n":1}\n', '"1"')
        how: dict[str, Any] = {"staging_path": ["s3://lake/in/a.ndjson"], "table": "t", "delete_staging": True}
        world.s3.head_object = _with_length(world.s3)  # type: ignore[method-assign]
        world.attempt(None, **how)
        assert ("lake", "in/a.ndjson") not in world.s3.objects
        report = world.state["consumed"][1]
        world.set_state({**world.state, "consumed": [[[path, '"1"']], report]})

        world.refuses(r"names the staged file .*, which `staging_path` does not match", None, number=2, **how)
        world.set_state({**world.state, "consumed": [[["s3://lake/in/a.ndjson", '"1"']], report]})
        assert world.attempt(None, number=2, **how).records == 1


def _with_length(s3: MemoryS3) -> Callable[..., Any]:
    plain = s3.get_object

    def get_object(*, Bucket: str, Key: str, IfMatch: str = "") -> dict[str, Any]:
        return {**plain(Bucket=Bucket, Key=Key), "ContentLength": len(s3.objects[Bucket, Key].body)}

    s3.get_object = get_object  # type: ignore[method-assign]
    return s3.head_object


class TestSwitchesToStatePath:
    """The first attempt with `state_path` takes over what Airflow's own store holds."""

    @BOTH
    def test_after_a_success(self, world: World, atomic: bool) -> None:
        store = AirflowStore()
        world.attempt({"t": [{"n": n} for n in range(9)]}, state=store, batch_size=1, atomic=atomic)

        world.attempt({"t": [{"n": 0}]}, earlier=store, number=2, batch_size=1, atomic=atomic)

        assert len(world.data()) == 1
        store.text = None
        world.attempt({"t": [{"n": 1}]}, earlier=store, number=3, atomic=atomic)
        assert len(world.data()) == 1

    @BOTH
    def test_after_a_kill(self, world: World, atomic: bool) -> None:
        store = AirflowStore()
        with pytest.raises(LoadStoppedError):
            world.attempt({"t": _then_killed([{"n": n} for n in range(9)])}, state=store, batch_size=1, atomic=atomic)

        world.attempt({"t": [{"n": 0}]}, earlier=store, number=2, batch_size=1, atomic=not atomic)

        assert len(world.data()) == 1
        assert world.s3.uploads == {}

    def test_but_not_by_an_attempt_that_was_superseded(self, world: World) -> None:
        store = AirflowStore()
        world.attempt({"t": [{"n": 1}]}, state=store)
        store.is_superseded = True
        with pytest.raises(SupersededError):
            world.attempt({"t": [{"n": 1}]}, earlier=store, number=2)
        assert STATE not in world.s3.objects

    def test_what_airflow_does_not_tell_fails_a_retry(self, world: World) -> None:
        store = AirflowStore(error=S3DestinationError("down"))
        with pytest.raises(S3DestinationError, match="down"):
            world.attempt({"t": [{"n": 1}]}, earlier=store, number=2)

    def test_where_airflow_keeps_none_a_retry_warns(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        world.attempt({"t": [{"n": 1}]}, number=1)
        assert caplog.text == ""
        del world.s3.objects[STATE]
        world.attempt({"t": [{"n": 1}]}, number=2)
        assert "there is no s3://lake/state/load.json yet" in caplog.text


def test_a_clock_that_was_set_back_is_explained(world: World) -> None:
    world.attempt({"t": [{"n": 1}]}, began="2026-02-03T05:00:00+00:00")

    with pytest.raises(SupersededError) as caught:
        world.attempt({"t": [{"n": 1}]}, began="2026-02-03T04:00:00+00:00", number=2)

    assert "attempt 1 of the run that began at 2026-02-03T05:00:00+00:00" in str(caught.value)
    assert "Then remove s3://lake/state/load.json and clear the task" in str(caught.value)
    del world.s3.objects[STATE]
    world.attempt({"t": [{"n": 1}]}, began="2026-02-03T04:00:00+00:00", number=2)


class TestNamespace:
    """`uuid_namespace` enters every UUID; a change of it removes what had the old names."""

    @BOTH
    @pytest.mark.parametrize("path", [UUIDS, "raw/{{SYNC_ID}}.json", "raw/{{TABLE}}.json"])
    @pytest.mark.parametrize("by_airflow", [False, True], ids=["state_path", "Airflow"])
    def test_a_change_removes_the_old_names(self, world: World, path: str, atomic: bool, by_airflow: bool) -> None:
        how: dict[str, Any] = {"path": path, "no_rotate": "UUID" not in path, "manifest": "s3dest", "atomic": atomic}
        how |= {"manifest_path": "" if path == UUIDS else "m/{{SYNC_ID}}.json", "on_bad_record": "quarantine"}
        how |= {"state": AirflowStore()} if by_airflow else {}
        seen: list[set[str]] = []
        for number, namespace in enumerate(["", "a", "b", "", "b"], 1):
            world.attempt({"t": [{"n": 1}, {"n": object()}]}, number=number, uuid_namespace=namespace, **how)
            assert len(world.data()) == 3
            seen.append({*world.data()})
        assert len(seen[0] & seen[1]) == (path == "raw/{{TABLE}}.json")
        if not atomic:  # each atomic attempt after a success has names of its own
            assert (seen[0], seen[2]) == (seen[3], seen[4])
        world.attempt({}, number=6, uuid_namespace="c", **{**how, "manifest": None})
        assert world.data() == []

    def test_another_airflow_does_not_take_the_state(self, world: World) -> None:
        world.attempt({"t": [{"n": 1}]}, uuid_namespace="a")
        there: dict[str, Any] = {"uuid_namespace": "b", "began": "2026-03-03T04:05:06+00:00"}
        world.refuses(r"with the `uuid_namespace` 'a', and this load has 'b'", {"t": [{"n": 1}]}, **there)

        world.attempt({"t": [{"n": 1}]}, number=2, **there)
        assert len(world.data()) == 1

    def test_names_other_objects_and_finds_the_same_state(self) -> None:
        here = replace(TASK, namespace="a")
        assert len({one.load_uuid for one in (TASK, here)} | {one.sync_id for one in (TASK, here)}) == 4
        assert state_object("state", "lake", here) == ("lake", f"state/{TASK.load_uuid}.json")
        assert here.load_uuid == "deef06a1-8e07-5c2d-9cf4-170c56edc6aa"

    def test_version_0_1_0_refuses_a_state_of_a_namespace(self, world: World) -> None:
        world.attempt({"t": [{"n": 1}]}, uuid_namespace="a")
        assert world.state["live"][0]["naming"] == ["lake", UUIDS, "json", MOMENT.isoformat(), 0, None, "a"]


def test_a_state_that_is_written_is_read_back(world: World) -> None:
    world.attempt({"t": [{"n": 1}]}, manifest="s3dest", written_path="raw/{{TABLE}}/{{ 'x' }}{{UUID}}.json")
    text = json.dumps(world.state, separators=(",", ":"))
    assert LoadState.from_text(text).to_text() == text
    assert world.state["written_path"] == "raw/{{TABLE}}/{{ 'x' }}{{UUID}}.json"
