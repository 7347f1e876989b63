"""Attempts that run one request at a time, and what can befall each of their requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any
from zlib import crc32

from botocore.exceptions import ConnectionClosedError

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.delivery.load_state import KeySettings, LoadState, StagedToDelete
from airflow_provider_s3dest.delivery.object_requests import ObjectRequests
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import LoadStoppedError
from airflow_provider_s3dest.load.sidecars.manifest import Manifest
from airflow_provider_s3dest.operators.task_state_store import TaskStateStore
from airflow_provider_s3dest.s3.checksum import crc32_text
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.limits import CHECKSUM
from tests.model.memory_s3 import MemoryS3, refusal
from tests.model.memory_task_state import MemoryTaskState, out_of_order
from tests.model.one_thread import GREENLET

BUCKET = "lake"
STATE = (BUCKET, "state/load-1.json")
IDENTITY = LoadIdentity.of_load_id("load-1")
RUN_DATE = datetime(2026, 2, 3, tzinfo=timezone.utc)
PATH = "out/{{TABLE}}/{{UUID}}.{{FORMAT}}"
SPEC = DestinationSpec(bucket=BUCKET, path=PATH, format="json")
MANIFESTS = [(BUCKET, "manifest/1.json"), (BUCKET, "manifest/2.json")]
"""Where an attempt may be asked to write its manifest."""

Objects = Mapping[tuple[str, str], bytes]
Effect = Callable[[], Any]


class CrashedError(BaseException):
    """The process of an attempt is gone: nothing of it runs any more, so code that cleans up must do nothing."""


class Befalls(Enum):
    """What a request of an attempt can meet, other than to be answered."""

    CRASH_BEFORE = "the attempt dies before the request is sent"
    CRASH_AFTER = "the attempt dies once the request took effect"
    CRASH_FLYING = "the attempt dies, and the request takes effect at some later time"
    FAIL_BEFORE = "the request is refused for good, without effect"
    FAIL_AFTER = "the request took effect, and its answer is lost for good"
    FAIL_FLYING = "the request times out for good, and takes effect at some later time"
    RESENT = "the request took effect, its answer is lost, and it is sent again"
    STOPPED = "the task is told to stop before the request is sent"

    @property
    def flies(self) -> bool:
        return self in (Befalls.CRASH_FLYING, Befalls.FAIL_FLYING)


@dataclass(frozen=True)
class Plan:
    """What one attempt is asked to load, and how.

    :param tables: of each table the contents of its batches.
    :param large: whether objects are multipart uploads without `atomic` too.
    :param fails_at: number of the object at which a record turns out to be wrong; None if all are right.
    :param consumes: whether the records come from staged files, which are deleted at the end.
    :param manifest: key of the manifest, if one is written.
    """

    tables: Mapping[str, Sequence[bytes]]
    atomic: bool = False
    path: str = PATH
    large: bool = False
    fails_at: int | None = None
    consumes: bool = False
    manifest: str | None = None


@dataclass(frozen=True)
class Request:
    operation: str
    about: str
    effect: Effect


class Client:
    """The boto3 client of one attempt."""

    def __init__(self, s3: MemoryS3, actor: Actor) -> None:
        self._s3, self._actor = s3, actor
        self._handlers: list[Callable[[], object]] = []
        # botocore's own retries are no matter of the model: each request is sent once.
        config = SimpleNamespace(retries={"total_max_attempts": 1}, request_checksum_calculation="when_required")
        self.meta = SimpleNamespace(
            config=config, events=SimpleNamespace(register=self._register, unregister=lambda *_, **__: None)
        )

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            for handler in self._handlers:
                handler()
            about = arguments.get("Key") or ",".join(item["Key"] for item in arguments["Delete"]["Objects"])
            return self._actor.request(method, about, lambda: getattr(self._s3, method)(**arguments))

        return call

    def _register(self, event: str, handler: Callable[[], object], **_: Any) -> None:
        if event.startswith("before-send"):
            self._handlers.append(handler)


class TaskStateOfAttempt:
    """What an attempt finds as ``context["task_state_store"]``."""

    def __init__(self, store: MemoryTaskState, actor: Actor) -> None:
        self._store, self._actor = store, actor

    def get(self, key: str, default: Any = None) -> Any:
        found = self._actor.request("state_get", key, lambda: self._store.get(self._actor.number, key))
        return default if found is None else found

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self._actor.request("state_set", key, lambda: self._store.set(self._actor.number, key, value))

    def delete(self, key: str) -> None:
        self._actor.request("state_delete", key, lambda: self._store.delete(self._actor.number, key))


class Actor:
    """One attempt, in a greenlet of its own, which stands still at each request until it is told to go on."""

    def __init__(self, world: World, number: int, plan: Plan) -> None:
        self.world, self.number, self.plan = world, number, plan
        self.parked: Request | None = None
        self.ended = False
        self.error: BaseException | None = None
        self.filling = False
        self.expected: Objects = {}
        self.generation = 0
        self.committed = False
        self._dead = False
        self._stop = StopFlag()
        self._scheduler, self._greenlet = GREENLET.getcurrent(), GREENLET.greenlet(self._run)
        self._outcome: Effect | None = None

    @property
    def succeeded(self) -> bool:
        return self.ended and self.error is None

    def begin(self) -> None:
        self.world.task_state.begin(self.number)
        self._greenlet.switch()

    def go_on(self) -> None:
        """Send the request, and let the attempt run to its next."""
        assert self.parked is not None
        self.world.tell(self, "")
        self._resume(self.parked.effect)

    def meet(self, event: Befalls) -> None:
        """Let the request meet something else."""
        request = self.parked
        assert request is not None
        self.world.tell(self, event.value)
        if event in (Befalls.CRASH_AFTER, Befalls.FAIL_AFTER, Befalls.RESENT):
            happen(request.effect)
        if event.flies:
            self.world.flying.append(request)
        if event is Befalls.RESENT:
            return
        if event is Befalls.STOPPED:
            self._stop.set()
            self._resume(_stopped)
        elif event in (Befalls.CRASH_BEFORE, Befalls.CRASH_AFTER, Befalls.CRASH_FLYING):
            self._dead = True
            self._resume(request.effect)
        else:
            self._resume(lambda: _fail(request, event))

    def request(self, operation: str, about: str, effect: Effect) -> Any:
        """Stand still until the scheduler decides what becomes of the request."""
        if self._dead:
            raise CrashedError
        self.parked = Request(operation, about, effect)
        try:
            self._scheduler.switch()
        except GREENLET.GreenletExit:  # a failed test drops the attempt
            self._dead = True
        self.parked = None
        if self._dead:
            raise CrashedError
        assert self._outcome is not None
        return self._outcome()

    def _resume(self, outcome: Effect) -> None:
        self._outcome = outcome
        self._greenlet.switch()

    def _run(self) -> None:
        try:
            self._load()
        except BaseException as error:
            self.error = error
        self.ended, self.filling = True, False

    def _load(self) -> None:
        """Do what the hook, the load and the uploader do, with one request at a time."""
        plan, world = self.plan, self.world
        client: Any = Client(world.s3_of(self), self)
        state: StateStore
        if world.keeps_task_state:
            state = TaskStateStore(TaskStateOfAttempt(world.task_state, self))
        else:
            state = S3StateStore(client, *world.state, Attempt("", self.number))
        sweeper = Sweeper(client, self._stop, deletes_shared=world.deletes_shared)
        settings = KeySettings(BUCKET, plan.path, "json", RUN_DATE.isoformat())
        delivery = Delivery(settings, world.identity, state, sweeper, atomic=plan.atomic, staged=plan.consumes)
        keys = settings.builder(world.identity)
        if plan.consumes and delivery.has_loaded_staged():
            with delivery:
                delivery.claim()
                delivery.delete_staged(self._remove)
            self.committed = True
            return
        with delivery:
            delivery.claim(list(plan.tables), [plan.manifest] if plan.manifest else [])
            self.filling, self.generation = plan.atomic, delivery.generation
            requests = ObjectRequests(client, BUCKET, delivery, self._stop, self._stop.check).__enter__()
            load = _Load(self, delivery, keys, requests)
            objects = load.fill()
            self.expected = load.contents
            sidecars = [(plan.manifest, load.prepare_manifest(plan.manifest, objects))] if plan.manifest else []
            delivery.publish(objects, load.complete)
            staged = StagedToDelete([("staged", "1")], {}) if plan.consumes else None
            delivery.commit(objects, staged, sidecars)
            self.committed = True
            world.succeeded(self)
            if plan.consumes:
                delivery.delete_staged(self._remove)

    def _remove(self, files: Sequence[tuple[str, str]]) -> None:
        for path, _ in files:
            self.request("delete_staged", path, partial(self.world.staged.discard, path))


class _Load:
    """The objects of one attempt, sent one after the other."""

    def __init__(self, actor: Actor, delivery: Delivery, keys: KeyBuilder, requests: ObjectRequests) -> None:
        self._actor, self._plan, self._delivery = actor, actor.plan, delivery
        self._keys, self._requests = keys, requests
        self._held: list[Effect] = []
        self.contents: dict[tuple[str, str], bytes] = {}

    def fill(self) -> list[StoredObject]:
        plan = self._plan
        objects: list[StoredObject] = []
        for table, contents in plan.tables.items():
            for number, content in enumerate(contents):
                if plan.fails_at == len(objects):
                    raise ValueError("A record is wrong.")
                batch = BatchId(table, "", number)
                self._delivery.reserve(batch)
                key = self._keys.key(batch, generation=self._delivery.generation)
                self._send(batch, key, content)
                self.contents[BUCKET, key] = content
                objects.append(StoredObject(key, batch, 1, len(content), crc32_text(crc32(content))))
                self._delivery.tick()
        return objects

    def prepare_manifest(self, key: str, objects: Sequence[StoredObject]) -> Effect:
        """Do what the uploader does with an object that is no batch."""
        columns = dict.fromkeys(self._plan.tables, ("n",))
        ((_, content, _),) = Manifest("s3dest", key, SPEC).contents(columns, objects)
        owner = self._delivery.owner_of_sidecar(key)
        if not self._plan.atomic:
            return partial(self._requests.put, key, content, crc32(content), {"Metadata": owner})
        return self._send_part(key, content, owner)

    def complete(self) -> None:
        self._actor.filling = False
        self._actor.world.published.update(self.contents)
        for job in self._held:
            job()

    def _send(self, batch: BatchId, key: str, content: bytes) -> None:
        owner = self._delivery.owner_of(batch)
        if self._plan.atomic:
            self._held.append(self._send_part(key, content, owner))
        elif self._plan.large:
            self._send_part(key, content, owner)()
        else:
            own = {CHECKSUM: content.decode(), **owner}
            if not self._requests.holds_already(key, batch, len(content), own):
                self._requests.put(key, content, crc32(content), {"Metadata": own})

    def _send_part(self, key: str, content: bytes, owner: Mapping[str, str]) -> Effect:
        """Send an object in one part; return the function that completes it."""
        upload_id = self._requests.begin_multipart(key, {"Metadata": owner})
        part = self._requests.upload_part(key, upload_id, 1, content, crc32(content))
        return partial(self._requests.complete_multipart, key, upload_id, [part], owner)


@dataclass(eq=False)
class World:
    """All that outlives an attempt, and the attempts.

    :param keeps_task_state: whether the state is in Airflow's task state store, instead of an object.
    :param identity: names the load of the attempts.
    :param state: bucket and key of the object that keeps the state.
    :param deletes_shared: whether the load may delete objects whose keys another load can have too.
    """

    keeps_task_state: bool
    s3: MemoryS3 = field(default_factory=MemoryS3)
    identity: LoadIdentity = IDENTITY
    state: tuple[str, str] = STATE
    deletes_shared: bool = True
    task_state: MemoryTaskState = field(default_factory=MemoryTaskState)
    flying: list[Request] = field(default_factory=list)
    published: dict[tuple[str, str], bytes] = field(default_factory=dict)
    staged: set[str] = field(default_factory=lambda: {"staged"})
    history: list[str] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    newest: Actor | None = None
    name: str = ""
    quiet: int = 0
    """Number of the last attempt that waited until no older one can hold a proof that it owns the load."""

    def __post_init__(self) -> None:
        for place in FOREIGN:
            self.s3.put_object(Bucket=place[0], Key=place[1], Body=b"foreign")

    def s3_of(self, actor: Actor) -> MemoryS3:
        """Return the bucket as an attempt reaches it."""
        return self.s3

    def fork(self) -> World:
        """Return a world in which all attempts of this one are dead, and that goes on by itself."""
        other = copy(self)
        other.s3, other.task_state = self.s3.fork(), self.task_state.fork()
        other.published, other.staged = dict(self.published), {*self.staged}
        other.history, other.actors, other.flying = [*self.history], [*self.actors], []
        return other

    def points(self, plan: Plan, stride: int = 1, start: int = 0) -> Iterator[int]:
        """Run an attempt, and stop at each point at which it may die, and at its end.

        An attempt that dies once a request took effect leaves what one leaves that dies before its next request.

        :param stride: how many points lie between two stops, with one of the two.
        :param start: the first point at which to stop.
        """
        actor = self.begin(plan)
        for point in count():
            if actor.ended or point in range(start, point + 1, stride):
                yield point
            if actor.ended:
                return
            actor.go_on()

    def forks(self, plan: Plan, stride: int = 1, start: int = 0) -> Iterator[World]:
        """Yield a world for each of the :meth:`points`, in which the attempt is dead or has ended."""
        return (self.fork() for _ in self.points(plan, stride, start))

    def begin(self, plan: Plan) -> Actor:
        """Begin an attempt, newer than all before."""
        actor = Actor(self, len(self.actors) + 1, plan)
        self.actors.append(actor)
        actor.begin()
        return actor

    def run(self, plan: Plan) -> Actor:
        """Run an attempt to its end."""
        actor = self.begin(plan)
        self.finish(actor)
        return actor

    def finish(self, actor: Actor) -> None:
        while not actor.ended:
            actor.go_on()

    def land(self, position: int = 0) -> None:
        """Let a request that is under way take effect."""
        request = self.flying.pop(position)
        self.history.append(f"       {request.operation} {request.about}: lands")
        happen(request.effect)

    def tell(self, actor: Actor, event: str) -> None:
        request = actor.parked
        assert request is not None
        met = f": {event}" if event else ""
        self.history.append(f"{self.name}attempt {actor.number}: {request.operation} {request.about}{met}")

    def succeeded(self, actor: Actor) -> None:
        if self.newest is None or actor.number > self.newest.number:
            self.newest = actor

    def visible(self) -> Objects:
        """Return the objects that a reader of the data sees."""
        others = (STATE, *FOREIGN, *MANIFESTS)
        hidden = "_s3dest-probe-"  # what an attempt that is killed may leave of a test of the store
        objects = self.s3.objects.items()
        return {place: stored.body for place, stored in objects if place not in others and hidden not in place[1]}

    def listed(self) -> list[dict[tuple[str, str], str]]:
        """Return the objects that each manifest lists, with their checksums."""
        manifests = [json.loads(self.s3.objects[place].body) for place in MANIFESTS if place in self.s3.objects]
        return [
            {
                (BUCKET, one["uri"].removeprefix(f"s3://{BUCKET}/")): one["crc32"]
                for table in manifest["tables"].values()
                for one in table["objects"]
            }
            for manifest in manifests
        ]

    def live(self) -> set[tuple[str, str]]:
        """Return the keys of the last success by the state as it is kept now."""
        return {place for ranges in self.load_state().live for place in ranges.keys(self.identity)}

    def load_state(self) -> LoadState:
        """Return the state as it is kept now."""
        if not self.keeps_task_state:
            kept = self.s3.objects.get(self.state)
            return LoadState.from_text(json.loads(kept.body)["record"] if kept else None)
        root = self.task_state.values.get("s3dest")
        if root is None:
            return LoadState()
        if "text" in root:
            return LoadState.from_text(root["text"])
        return LoadState.from_text("".join(self.task_state.values[name] for name in root["chunks"]))


FOREIGN = [
    (BUCKET, "out/a/of-another-load.json"),
    (BUCKET, "out/of-another-load.json"),
    (BUCKET, "state/of-another-load.json"),
    (BUCKET, "out/a/000001.json"),
    (BUCKET, "out/a/000003.json"),
    ("other", "out/a/of-another-bucket.json"),
]
"""Objects that no attempt of the load may touch."""


def happen(effect: Effect) -> None:
    """Let a request take effect while nobody waits for its answer."""
    try:
        effect()
    except Exception:
        return


def _stopped() -> None:
    raise LoadStoppedError("The load was stopped.")


def _fail(request: Request, event: Befalls) -> None:
    if request.operation.startswith("state_"):
        raise out_of_order()
    if event is Befalls.FAIL_BEFORE:
        raise refusal("SlowDown", 503, request.operation)
    raise ConnectionClosedError(endpoint_url="http://lake")
