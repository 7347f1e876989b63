"""Random schedules of several attempts, and what must hold in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from random import Random
from unittest.mock import patch
from zlib import crc32

from airflow_provider_s3dest.delivery import delivery as steps
from airflow_provider_s3dest.delivery import fence as fencing
from airflow_provider_s3dest.delivery import open_uploads, sweeper
from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.operators import task_state_store
from airflow_provider_s3dest.s3.checksum import crc32_text
from tests.model.memory_s3 import MemoryS3
from tests.model.one_thread import one_thread
from tests.model.world import BUCKET, FOREIGN, IDENTITY, MANIFESTS, Actor, Befalls, Plan, World

DATA = ("put_object", "complete_multipart_upload")
"""The requests that make something visible."""


def contents(table: str, count: int, version: str = "1") -> list[bytes]:
    """Make the contents of the objects of a table; those of one version begin alike, however many they are."""
    return [f"{table} {number} of version {version}".encode() for number in range(count)]


SMALL = {"a": contents("a", 3), "b": contents("b", 1)}
INPUTS: Mapping[str, Mapping[str, Sequence[bytes]]] = {
    "same": SMALL,
    "grown": {"a": contents("a", 5), "b": contents("b", 1), "c": contents("c", 1)},
    "shrunk": {"a": contents("a", 1)},
    "changed": {"a": contents("a", 2, "2"), "b": contents("b", 2, "2")},
    "other tables": {"c": contents("c", 2)},
    "empty": {"a": []},
}


@dataclass(frozen=True)
class Settings:
    """What may happen in a schedule, beside attempts that run by turns.

    :param events: what may befall a request.
    :param in_flight: whether a request that stores an object without `atomic` may take effect long after its attempt
        last saw that it owns the load.
    :param overlapping: whether an attempt may begin before those before it have ended.
    """

    events: Sequence[Befalls] = tuple(Befalls)
    in_flight: bool = True
    overlapping: bool = True


@contextmanager
def small_steps(random: Random, *, fence: bool) -> Iterator[None]:
    """Let the state be written often, in chunks or at once, and the owner be looked for always or never."""
    with (
        one_thread(),
        patch.object(sweeper, "KEYS_PER_REQUEST", random.choice([1, 1000])),
        patch.object(steps, "FIRST_RESERVED", random.choice([1, 2, 8])),
        patch.object(steps, "RESERVED", random.choice([1, 2, 100])),
        patch.object(steps, "RESERVED_SECONDS", inf),
        patch.object(open_uploads, "LOGGED_SECONDS", random.choice([0.0, inf])),
        patch.object(fencing, "FENCE_SECONDS", 0.0 if fence else inf),
        patch.object(fencing, "QUIET_SECONDS", 0.0),
        patch.object(task_state_store, "CHUNK", random.choice([300, 30_000])),
    ):
        yield


class Schedule:
    """One schedule of attempts, of which the last runs undisturbed, though others run beside it."""

    def __init__(self, seed: int, plans: Sequence[Plan], settings: Settings, *, keeps_task_state: bool) -> None:
        self._random = Random(seed)
        self._plans, self._settings = plans, settings
        self._disturbed = self._random.choice([0.0, 0.02, 0.05, 0.15])
        self._switched = self._random.choice([0.03, 0.1, 0.4])
        s3 = MemoryS3(forgets_completed=self._random.random() < 0.5)
        self.world = World(keeps_task_state, s3)
        self.what = f"seed {seed}, {keeps_task_state=}, {settings}, {plans}"
        self.met: Counter[str] = Counter()
        # What S3 can't fence may land under the key of a manifest, and under a key that one lists.
        self._fenced = all("UUID" in plan.path and (plan.atomic or not settings.in_flight) for plan in plans)

    def run(self) -> None:
        """Run it, and check at every step and at the end."""
        fence = not self._settings.in_flight or self._random.random() < 0.5
        try:
            with small_steps(self._random, fence=fence):
                self._begin_and_run()
                self._check_end()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.what}\n" + "\n".join(self.world.history)) from None

    def _begin_and_run(self) -> None:
        """Let attempts take turns of some requests, sleep, and begin before others end, until all have ended."""
        world, random, often = self.world, self._random, self._switched
        current = world.begin(self._plans[0])
        asleep: set[int] = set()
        while True:
            self._check_step()
            alive = [actor for actor in world.actors if not actor.ended]
            to_come = len(self._plans) - len(world.actors)
            if not alive and not world.flying and not to_come:
                return
            if self._must_follow(current):
                self._step(current)
                continue
            if not to_come and world.actors[-1].ended:
                asleep = set()
            awake = [actor for actor in alive if actor.number not in asleep]
            if world.flying and (not alive or random.random() < 0.1):
                world.land(random.randrange(len(world.flying)))
            elif to_come and (not awake or random.random() < often / 3) and (self._settings.overlapping or not alive):
                current = world.begin(self._plans[-to_come])
            elif not awake:
                asleep = set()
            else:
                if current not in awake or random.random() < often:
                    current = random.choice(awake)
                if self._settings.overlapping and not self._is_last(current) and random.random() < often / 3:
                    asleep.add(current.number)
                else:
                    self._step(current)

    def _is_last(self, actor: Actor) -> bool:
        return actor.number == len(self._plans)

    def _must_follow(self, actor: Actor) -> bool:
        """Return whether the next request of an attempt must follow at once on the last: nothing may be in flight."""
        return not self._settings.in_flight and _makes_visible(actor)

    def _step(self, actor: Actor) -> None:
        if self._is_last(actor) or self._random.random() >= self._disturbed:
            actor.go_on()
            return
        fly = self._settings.in_flight or not _makes_visible(actor)
        events = [event for event in self._settings.events if fly or not event.flies]
        event = self._random.choice(events)
        self.met[event.name] += 1
        actor.meet(event)

    def _check_step(self) -> None:
        world = self.world
        for place in FOREIGN:
            assert world.s3.objects[place].body == b"foreign", f"{place} was touched."
        if self._fenced:
            check_manifests(world)
        owners = [actor for actor in world.actors if actor.filling]
        if not owners or not all(plan.atomic and "UUID" in plan.path for plan in self._plans):
            return
        # The newest attempt fills its objects: whoever reads now sees the last success, and what it replaced at most.
        state, visible = world.load_state(), world.visible()
        live = keys_of(state, live=True)
        if len(world.actors) == owners[-1].number:
            assert live <= visible.keys() <= live | keys_of(state, live=False), "Something unfinished is visible."
        assert all(world.published.get(place) == body for place, body in visible.items()), "Bytes of no load are there."

    def _check_end(self) -> None:
        world = self.world
        newest = world.actors[-1]
        assert newest.succeeded, f"The last attempt failed: {newest.error!r}"
        visible = dict(world.visible())
        if self._settings.in_flight and newest.generation and not all(plan.atomic for plan in self._plans):
            # What S3 can't fence: a request in flight lands under a name that was given up since.
            late = [place for place in visible if place not in newest.expected]
            self.met["LATE"] += bool(late)
            for place in late:
                del visible[place]
        if self._fenced:
            check_listed(world, newest)
        assert visible == newest.expected, f"{describe(visible)}\ninstead of\n{describe(newest.expected)}"
        for actor in world.actors:
            if not actor.succeeded:
                self.met[type(actor.error).__name__] += 1
        state = world.load_state()
        assert keys_of(state, live=True) == newest.expected.keys()
        assert not state.pending
        assert not state.doomed
        assert not state.uploads


def check_manifests(world: World) -> None:
    """Check that all objects are there, and the same, that a manifest lists, whatever is under way."""
    visible = world.visible()
    for listed in world.listed():
        there = {place: crc32_text(crc32(body)) for place, body in visible.items()}
        wrong = [place for place, listed_crc32 in listed.items() if there.get(place) != listed_crc32]
        assert not wrong, f"A manifest lists {wrong}."


def check_listed(world: World, newest: Actor) -> None:
    """Check that the manifest of a success lists just its objects, and that no other is left."""
    own = [{place: crc32_text(crc32(body)) for place, body in newest.expected.items()}]
    assert world.listed() == (own if newest.plan.manifest else []), world.listed()
    assert world.load_state().sidecars == ([(BUCKET, newest.plan.manifest)] if newest.plan.manifest else [])
    assert not world.load_state().old_sidecars


def _makes_visible(actor: Actor) -> bool:
    """Return whether an attempt is about to send what no abort can call back, under a name that is used again."""
    request = actor.parked
    if request is None:
        return False
    if request.operation in ("delete_object", "delete_objects"):
        return {*request.about.split(",")} <= {key for _, key in MANIFESTS}
    return not actor.plan.atomic and request.operation in DATA


def keys_of(state: LoadState, *, live: bool) -> set[tuple[str, str]]:
    """Return the keys that are live by the state of a load, or those that were part of an earlier success."""
    several = state.live if live else [names for names in state.doomed if names.committed]
    return {place for names in several for place in names.keys(IDENTITY)}


def describe(objects: Mapping[tuple[str, str], bytes]) -> str:
    return "\n".join(f"{key}: {body!r}" for (_, key), body in sorted(objects.items())) or "nothing"


@contextmanager
def one_step_at_a_time() -> Iterator[None]:
    """Let one request be out at a time, and the owner be looked for at claim and when the state is written only."""
    with (
        one_thread(),
        patch.object(steps, "RESERVED_SECONDS", inf),
        patch.object(open_uploads, "LOGGED_SECONDS", inf),
        patch.object(fencing, "FENCE_SECONDS", inf),
        patch.object(fencing, "QUIET_SECONDS", 0.0),
    ):
        yield
