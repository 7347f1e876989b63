"""Two loads whose objects have the same keys, in one bucket that sees who writes and deletes what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from airflow_provider_s3dest.delivery import delivery as steps
from airflow_provider_s3dest.delivery.fence import Fence
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from tests.model.memory_s3 import MemoryS3, Place, Stored
from tests.model.schedules import DATA, describe, small_steps
from tests.model.world import BUCKET, FOREIGN, MANIFESTS, Actor, Befalls, Plan, World

SHARED = "out/{{TABLE}}.json"
"""A path that gives all loads the same keys."""

MANIFEST = MANIFESTS[0][1]
STATES = "state/"
PROBE = "_s3dest-probe-"

LOADS: Mapping[str, Sequence[tuple[str, LoadIdentity, bool]]] = {
    "two runs": [
        ("run 1", LoadIdentity.of_task_instance("dag", "run-1", "task", -1), True),
        ("run 2", LoadIdentity.of_task_instance("dag", "run-2", "task", -1), True),
    ],
    "two instances": [
        ("instance 0", LoadIdentity.of_task_instance("dag", "run-1", "task", 0), False),
        ("instance 1", LoadIdentity.of_task_instance("dag", "run-1", "task", 1), False),
    ],
    "a run and an instance": [
        ("run", LoadIdentity.of_task_instance("dag", "run-1", "task", -1), True),
        ("instance", LoadIdentity.of_task_instance("dag", "run-1", "mapped", 0), False),
    ],
}
"""Name and identity of each load, and whether it may delete objects with shared keys; mapped instances may not."""


class LoadWorld(World):
    """One of the loads: its state, and its attempts."""

    lake: Lake

    def s3_of(self, actor: Actor) -> MemoryS3:
        self.lake.starting = actor
        view = self.lake.views[actor] = WatchedS3(self.lake, actor)
        return view


@dataclass
class Lake:
    """The bucket and the loads that write to it.

    :param same_bytes: whether objects of the two loads with the same key may hold the same bytes.
    :param at_once: whether the two loads may run at the same time.
    """

    loads: str
    keeps_task_state: bool
    same_bytes: bool
    at_once: bool = False
    s3: MemoryS3 = field(default_factory=MemoryS3)
    worlds: list[LoadWorld] = field(default_factory=list)
    writers: dict[Place, tuple[str, int]] = field(default_factory=dict)
    """Which load wrote under a key last, and when, though the object may be deleted since."""
    views: dict[Actor, WatchedS3] = field(default_factory=dict)
    lost: set[Place] = field(default_factory=set)
    """What a load deleted although the other one had written it: see :meth:`WatchedS3.delete_object`."""
    violations: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    clock: int = 0
    starting: Actor = field(init=False)
    """The attempt that began last."""
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for name, identity, deletes_shared in LOADS[self.loads]:
            state = BUCKET, f"{STATES}{identity.load_uuid}.json"
            world = LoadWorld(self.keeps_task_state, self.s3, identity, state, deletes_shared, history=self.history)
            world.lake, world.name = self, f"{name}, "
            self.worlds.append(world)

    def succeed(self, number: int, plan: Plan) -> None:
        """Run an attempt of a load to its end, and check what must hold after it, for the other load too."""
        self.worlds[number].run(plan)
        self.check_always()
        for position, world in enumerate(self.worlds):
            if position == number or (world.actors and world.actors[-1].succeeded):
                self.check(world)

    def fork(self) -> Lake:
        """Return a lake in which all attempts of this one are dead, and that goes on by itself."""
        other = copy(self)
        other.s3, other.met = self.s3.fork(), Counter()
        other.writers, other.views, other.lost = dict(self.writers), dict(self.views), {*self.lost}
        other.violations, other.history = [*self.violations], [*self.history]
        other.worlds = []
        for world in self.worlds:
            forked = world.fork()
            assert isinstance(forked, LoadWorld)
            forked.lake, forked.s3, forked.history = other, other.s3, other.history
            other.worlds.append(forked)
        return other

    def forks(self, number: int, plan: Plan, stride: int = 1, start: int = 0) -> Iterator[Lake]:
        """Run an attempt of a load, and yield a lake for each point at which it may die, and for its end.

        Each is checked: a key holds what it held or what the attempt loads. None is missing until the load is whole.
        """
        world, before = self.worlds[number], self._objects()
        loaded = {(BUCKET, f"out/{table}.json"): body for table, (body,) in plan.tables.items()}
        for _ in world.points(plan, stride, start):
            self.check_always()
            after = self._objects()
            for place, stored in before.items():
                assert place in after or world.live() == loaded.keys(), (
                    f"{place} is gone, though the load is not whole."
                )
                now = after.get(place, stored)
                assert now is stored or now.body == loaded.get(place), f"{place} holds {now.body!r}."
            yield self.fork()

    def _objects(self) -> dict[Place, Stored]:
        """Return the objects of the loads as they are now."""
        objects = self.s3.objects
        return {place: objects[place] for place in self.writers if place in objects and place not in MANIFESTS}

    def check(self, world: World) -> None:
        """Check what must hold once the newest attempt of a load has succeeded."""
        newest = world.actors[-1]
        assert newest.succeeded, f"The last attempt of {world.name} failed: {newest.error!r}"
        view, own = self.views[newest], dict(newest.expected)
        if newest.plan.manifest:
            own[BUCKET, newest.plan.manifest] = b""
        for place, content in own.items():
            stored, (writer, when) = self.s3.objects.get(place), self.writers[place]
            if writer != world.name:
                assert when > view.handled[place], f"{world.name} took {place} of another load for its own."
            elif stored is None:
                assert place in self.lost, f"{place} of {world.name} is gone."
            elif content:
                assert stored.body == content, f"{place} holds {stored.body!r} instead of {content!r}."
        surplus = [
            place
            for place, (writer, _) in self.writers.items()
            if writer == world.name and place in self.s3.objects and place not in own
            if world.deletes_shared or not is_shared(place)
        ]
        assert not surplus, f"{world.name} left {surplus}."
        state = world.load_state()
        assert world.live() == newest.expected.keys()
        left = [*state.pending, *state.doomed, *state.uploads, *state.old_sidecars]
        assert not left, f"The state of {world.name} still names {left}."

    def check_always(self) -> None:
        """Check what must hold at each step."""
        assert not self.violations, self.violations
        for place in FOREIGN:
            assert self.s3.objects[place].body == b"foreign", f"{place} was touched."

    @contextmanager
    def explaining(self, what: str) -> Iterator[None]:
        """Add what happened to a violation."""
        try:
            yield
        except AssertionError as error:
            there = describe({place: stored.body for place, stored in self.s3.objects.items()})
            raise AssertionError(f"{error}\n{what}\n" + "\n".join([*self.history, there])) from None


class WatchedS3(MemoryS3):
    """The bucket as one attempt reaches it; notes what the attempt writes, and finds deletions that must not be."""

    def __init__(self, lake: Lake, actor: Actor) -> None:
        vars(self).update(vars(lake.s3))
        self._lake, self._actor = lake, actor
        self._world = actor.world
        self._seen: dict[Place, tuple[Stored, str | None]] = {}
        self.handled: dict[Place, int] = {}
        """When the attempt wrote an object last, or looked at it."""

    def put_object(self, *, Bucket: str, Key: str, **arguments: Any) -> dict[str, Any]:
        answer = super().put_object(Bucket=Bucket, Key=Key, **arguments)
        if not Key.startswith(STATES) and PROBE not in Key:
            if self._actor.plan.atomic:
                self._lake.violations.append(f"An atomic load put {Key}.")
            self._wrote((Bucket, Key))
        return answer

    def complete_multipart_upload(self, *, Bucket: str, Key: str, **arguments: Any) -> dict[str, Any]:
        before = self.objects.get((Bucket, Key))
        answer = super().complete_multipart_upload(Bucket=Bucket, Key=Key, **arguments)
        if self.objects[Bucket, Key] is not before:
            self._wrote((Bucket, Key))
        return answer

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        place = Bucket, Key
        if place in self.objects:
            self._seen[place] = self.objects[place], self._writer(place)
            self.handled[place] = self._lake.clock
        return super().head_object(Bucket=Bucket, Key=Key)

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str | None = None) -> dict[str, Any]:
        there = self.objects.get((Bucket, Key))
        if there is not None and IfMatch in (None, there.etag):
            self._check_deletion((Bucket, Key), there)
        return super().delete_object(Bucket=Bucket, Key=Key, IfMatch=IfMatch)

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, Any]) -> dict[str, Any]:
        for item in Delete["Objects"]:
            place = Bucket, item["Key"]
            if place in self.objects:
                self._check_deletion(place, self.objects[place])
        return super().delete_objects(Bucket=Bucket, Delete=Delete)

    def _writer(self, place: Place) -> str | None:
        return self._lake.writers[place][0] if place in self._lake.writers else None

    def _wrote(self, place: Place) -> None:
        self._lake.clock += 1
        self._lake.writers[place] = self._world.name, self._lake.clock
        self._lake.lost.discard(place)
        self.handled[place] = self._lake.clock

    def _check_deletion(self, place: Place, there: Stored) -> None:
        lake, world, key = self._lake, self._world, place[1]
        if PROBE in key:
            if world.identity.load_uuid not in key:
                lake.violations.append(f"{key} of another load was deleted.")
            return
        if self._writer(place) != world.name:
            # Between the look at an object and its deletion, the other load may write the same bytes, and so the same
            # ETag: no condition of S3 tells the two apart.
            seen, writer = self._seen.get(place, (None, None))
            unlucky = writer == world.name and seen is not None and seen is not there and seen.body == there.body
            if not (unlucky and lake.same_bytes and lake.at_once):
                lake.violations.append(f"{key} was deleted, which another load wrote.")
            lake.lost.add(place)
            lake.met["SAME BYTES LOST"] += 1
        if is_shared(place) and not world.deletes_shared:
            lake.violations.append(f"A mapped instance deleted {key}.")
        if is_shared(place) and place not in MANIFESTS and self._actor is world.actors[-1]:
            live = world.live()
            if place in live or live != self._actor.expected.keys():
                lake.violations.append(f"{key} was deleted before the load was whole.")


class LastingFence(Fence):
    """A fence whose proof lasts as long as it can: until a newer attempt has kept quiet."""

    def __init__(self, verify: Callable[[], None], actor: Actor) -> None:
        super().__init__(verify)
        self._actor, self._waits = actor, False

    def keep_quiet(self) -> None:
        self._waits = True

    def check(self, *, at_once: bool = False) -> None:
        if self._waits:
            self._actor.world.quiet, self._waits = self._actor.number, False
        super().check(at_once=at_once or self._actor.number < self._actor.world.quiet)


@dataclass(frozen=True)
class Turns:
    """Which attempts may run beside which.

    :param at_once: whether the two loads may run at the same time.
    :param overlapping: whether an attempt may begin before those of its load before it have ended.
    :param lasting: whether a proof of ownership lasts as long as it can, instead of being renewed before each request.
    """

    at_once: bool = False
    overlapping: bool = False
    lasting: bool = False


class SharedSchedule:
    """One schedule of the attempts of two loads; the last attempt of each runs undisturbed."""

    def __init__(self, seed: int, lake: Lake, plans: Sequence[Sequence[Plan]], turns: Turns) -> None:
        self._random, self._turns = Random(seed), turns
        self.lake = lake
        self._plans: dict[World, Sequence[Plan]] = dict(zip(lake.worlds, plans, strict=True))
        self._disturbed = self._random.choice([0.0, 0.03, 0.1])
        self._switched = self._random.choice([0.03, 0.1, 0.4])
        self._what = f"seed {seed}, {lake.loads}, {lake.keeps_task_state=}, {lake.same_bytes=}, {turns}, {plans}"

    def run(self) -> None:
        """Run it, and check at every step, after each success and at the end."""
        lake = self.lake
        lasting = patch.object(steps, "Fence", lambda verify: LastingFence(verify, lake.starting))
        with lake.explaining(self._what), small_steps(self._random, fence=not self._turns.lasting):
            with lasting if self._turns.lasting else nullcontext():
                self._run()
            for world in lake.worlds:
                lake.check(world)
            for actor in lake.views:
                if not actor.succeeded:
                    lake.met[type(actor.error).__name__] += 1

    def _run(self) -> None:
        """Let attempts take turns of some requests, sleep, and begin before others end, until all have ended."""
        lake, random, often = self.lake, self._random, self._switched
        current: Actor | None = None
        asleep: set[Actor] = set()
        while True:
            lake.check_always()
            alive = [actor for actor in lake.views if not actor.ended]
            flying = [world for world in lake.worlds if world.flying]
            ready = [world for world in lake.worlds if self._may_begin(world, alive)]
            if not alive and not flying and not ready:
                return
            overdue = [actor for actor in alive if self._must_follow(actor)]
            awake = [actor for actor in alive if actor not in asleep]
            if overdue:
                self._step(overdue[0])
            elif flying and (not alive or random.random() < 0.1):
                world = random.choice(flying)
                world.land(random.randrange(len(world.flying)))
            elif ready and (not awake or random.random() < often / 2):
                world = random.choice(ready)
                current = world.begin(self._plans[world][len(world.actors)])
            elif not awake:
                asleep = set()
            else:
                if current not in awake or random.random() < often:
                    current = random.choice(awake)
                assert current is not None
                if len(alive) > 1 and random.random() < often / 3:
                    asleep.add(current)
                else:
                    self._step(current)

    def _may_begin(self, world: LoadWorld, alive: Sequence[Actor]) -> bool:
        if len(world.actors) == len(self._plans[world]):
            return False
        mine = [actor for actor in alive if actor.world is world]
        return (not mine or self._turns.overlapping) and (len(mine) == len(alive) or self._turns.at_once)

    def _must_follow(self, actor: Actor) -> bool:
        """Return whether the next request of an attempt must follow at once on the last: nothing may be in flight."""
        return cannot_be_fenced(actor) and not (self._turns.lasting and actor.number >= actor.world.quiet)

    def _step(self, actor: Actor) -> None:
        world = actor.world
        if actor.number == len(self._plans[world]) or self._random.random() >= self._disturbed:
            actor.go_on()
        else:
            fixed = cannot_be_fenced(actor)
            event = self._random.choice([event for event in Befalls if not (fixed and event.flies)])
            self.lake.met[event.name] += 1
            actor.meet(event)
        if actor.succeeded and actor is world.actors[-1]:
            self.lake.check(world)


def cannot_be_fenced(actor: Actor) -> bool:
    """Return whether an attempt is about to send what no abort can call back, under a key that is used again."""
    request = actor.parked
    if request is None or request.about.startswith(STATES):
        return False
    return request.operation == "delete_object" or (not actor.plan.atomic and request.operation in DATA)


def is_shared(place: Place) -> bool:
    """Return whether a key holds no UUID, so that the other load can have it too."""
    return "-" not in place[1]
