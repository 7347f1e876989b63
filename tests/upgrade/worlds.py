"""The worlds that attempts of version 0.1.0 left behind, and the attempt that comes next in each.

The name of each function is that of its world: what became of the earlier attempts, then what the next one is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.upgrade.attempt import BUCKET, TaskStateStore, run_hook, run_task

Arguments = Mapping[str, Any]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """The attempt succeeds."""


@dataclass(frozen=True)
class Failed:
    """The attempt fails and cleans up as it can.

    :param refused: operations that S3 refuses.
    :param after: how many requests of the first of them S3 grants before.
    :param prefix: what the keys of those requests begin with.
    """

    refused: Sequence[str] = ()
    after: int = 0
    prefix: str = ""


@dataclass(frozen=True)
class Killed:
    """The attempt's process is killed with SIGKILL before a request of it reaches S3.

    :param at: operation of the request.
    :param after: how many such requests reach S3 before.
    :param prefix: what the keys of those requests begin with.
    :param holding: what the body of the request holds.
    :param slowly: whether the first part takes so long that the record of the load names its upload before.
    """

    at: str
    after: int = 0
    prefix: str = ""
    holding: bytes = b""
    slowly: bool = False


End = Finished | Failed | Killed


@dataclass(frozen=True)
class Attempt:
    """An attempt of a load.

    :param records: of each table, those that the attempt is handed over; what it reads if `staged` is given.
    :param also: arguments of the operator that the attempt has beside those of the world.
    :param source: gives the records of the only table, if they are no list.
    """

    records: Mapping[str, Sequence[Record]]
    end: End = Finished()
    also: Arguments = field(default_factory=dict)
    source: Callable[[], Iterator[Record]] | None = None


@dataclass(frozen=True)
class World:
    """A load that was begun by version 0.1.0.

    :param earlier: the attempts of version 0.1.0.
    :param next: the attempt of the version that is tested.
    :param arguments: those of all attempts.
    :param staged: files in the bucket before the first attempt, by key.
    :param kept: those of them that must be there at the end.
    :param replaced: files that are staged anew before the next attempt.
    """

    earlier: Sequence[Attempt]
    next: Attempt
    arguments: Arguments = field(default_factory=dict)
    staged: Mapping[str, bytes] = field(default_factory=dict)
    replaced: Mapping[str, bytes] = field(default_factory=dict)
    by_hook: bool = False
    by_airflow: bool = False

    def arguments_of(self, attempt: Attempt) -> dict[str, Any]:
        """Give all arguments that an attempt is called with."""
        arguments = {**_DEFAULTS, **self.arguments, **attempt.also}
        if self.by_airflow:
            del arguments["state_path"]
        if "staging_path" not in arguments:
            arguments["records"] = dict(attempt.records) if attempt.source is None else attempt.source()
        if attempt.source is not None:
            arguments["table"] = next(iter(attempt.records))
        return arguments


WORLDS: dict[str, Callable[[], World]] = {}


def world(make: Callable[[], World]) -> Callable[[], World]:
    """Add a world to those that are recorded."""
    WORLDS[make.__name__] = make
    return make


_DEFAULTS: Arguments = {
    "path": "raw/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}",
    "format": "json",
    "batch_size": 2,
    "state_path": "state",
}
_ATOMIC: dict[str, Any] = {"atomic": True}
_EVERYTHING = {
    "schema": {"n": "int64", "text": "string"},
    "on_bad_record": "quarantine",
    "manifest": "s3dest",
    "spec": {"ddl": ["athena", "redshift"]},
}
_IN_ATOMIC_PUBLISH = b'\\"pending\\":[{'
_IN_COMMIT = b'\\"committed\\":true'


def _numbers(count: int, text: str = "a", *, bad: Sequence[int] = ()) -> list[Record]:
    return [{"n": "bad" if n in bad else n, "text": f"{text}{n}"} for n in range(count)]


def _given(count: int, text: str = "a", end: End = Finished(), **also: Any) -> Attempt:
    return Attempt({"t": _numbers(count, text)}, end, also)


def _with_bad(count: int, bad: Sequence[int], end: End = Finished()) -> Attempt:
    return Attempt({"t": _numbers(count, bad=bad), "u": _numbers(3, "u")}, end)


# Without atomic


@world
def finished_then_the_same() -> World:
    return World([_given(7)], _given(7))


@world
def finished_then_more() -> World:
    return World([_given(7)], _given(12, "b"))


@world
def finished_then_less() -> World:
    return World([_given(12)], _given(3, "b"))


@world
def finished_then_other_tables() -> World:
    earlier = Attempt({"t": _numbers(7), "gone": _numbers(3)})
    return World([earlier], Attempt({"t": _numbers(5), "new": _numbers(4)}))


@world
def failed_in_the_source_then_the_same() -> World:
    return World([Attempt({"t": _numbers(40)}, Failed(), {"columns": ["n", "text"]}, _broken)], _given(40))


@world
def failed_at_a_bad_record_then_less() -> World:
    return World([Attempt({"t": _numbers(40)}, Failed(), {"columns": ["n", "text"]}, _unwritable)], _given(9))


@world
def refused_by_s3_then_the_same() -> World:
    return World([_given(12, "a", Failed(["PutObject"], after=3, prefix="raw/"))], _given(12))


@world
def killed_once_claimed_then_the_same() -> World:
    return World([_given(7, "a", Killed("PutObject", prefix="raw/"))], _given(7))


@world
def killed_in_mid_objects_then_the_same() -> World:
    return World([_given(12, "a", Killed("PutObject", after=3, prefix="raw/"))], _given(12))


@world
def killed_in_mid_objects_then_more() -> World:
    return World([_given(12, "a", Killed("PutObject", after=3, prefix="raw/"))], _given(17, "b"))


@world
def killed_in_mid_objects_then_less() -> World:
    return World([_given(24, "a", Killed("PutObject", after=9, prefix="raw/"))], _given(2, "b"))


@world
def killed_before_the_commit_then_less() -> World:
    return World([_given(12, "a", Killed("PutObject", prefix="state/", holding=_IN_COMMIT))], _given(5))


@world
def killed_before_the_clean_up_then_the_same() -> World:
    return World([_given(12), _given(5, "b", Killed("DeleteObjects"))], _given(5, "b"))


@world
def killed_before_the_clean_up_then_more() -> World:
    return World([_given(12), _given(5, "b", Killed("DeleteObjects"))], _given(12, "c"))


@world
def killed_twice_then_less() -> World:
    first = _given(12, "a", Killed("PutObject", after=5, prefix="raw/"))
    return World([first, _given(16, "b", Killed("PutObject", after=6, prefix="raw/"))], _given(3, "c"))


@world
def killed_in_an_object_of_parts_then_the_same() -> World:
    """The object has over 32 MiB before compression, and little after it."""
    records = {"t": [{"n": n, "text": "x" * 2**20} for n in range(33)]}
    options = {"batch_size": 1000, "batch_size_bytes": 2**27, "compression": "gzip"}
    return World([Attempt(records, Killed("CompleteMultipartUpload"))], Attempt(records), options)


@world
def killed_in_partitions_then_less() -> World:
    path = {"path": "raw/{{TABLE}}/{{FIELD.text}}/{{UUID}}.{{FORMAT}}", "format": "csv", "compression": "gzip"}
    records = [{"n": n, "text": "abc"[n % 3]} for n in range(18)]
    killed = Attempt({"t": records}, Killed("PutObject", after=5, prefix="raw/"))
    return World([killed], Attempt({"t": records[:5]}), path)


@world
def finished_with_everything_then_less() -> World:
    return World([_with_bad(12, [1, 5, 6])], _with_bad(6, [5]), _EVERYTHING)


@world
def killed_in_mid_objects_with_everything_then_less() -> World:
    killed = _with_bad(14, [1, 5, 6, 9], Killed("PutObject", after=4, prefix="raw/"))
    return World([_with_bad(12, [1, 5, 6]), killed], _with_bad(6, [2]), _EVERYTHING)


@world
def killed_before_the_manifest_then_the_same() -> World:
    killed = _with_bad(12, [1, 5, 6], Killed("PutObject", prefix="raw/_manifest/"))
    return World([killed], _with_bad(12, [1, 5, 6]), _EVERYTHING)


@world
def killed_before_the_manifest_then_one_without_any_manifest() -> World:
    killed = _with_bad(12, [1, 5, 6], Killed("PutObject", prefix="raw/_manifest/"))
    plain = {"schema": _EVERYTHING["schema"]}
    manifest = {name: value for name, value in _EVERYTHING.items() if name != "schema"}
    first = Attempt(killed.records, killed.end, manifest)
    return World([first], Attempt({"t": _numbers(4)}), plain)


@world
def killed_before_the_old_manifest_is_gone_then_one_without_any_manifest() -> World:
    manifest: dict[str, Any] = {"manifest": "s3dest", "spec": {"ddl": ["athena"]}}
    killed = _given(7, "b", Killed("DeleteObjects"), **manifest)
    return World([_given(7, **manifest), killed], _given(7, "c"))


# Names without an id


@world
def finished_without_an_id_then_other_tables() -> World:
    earlier = Attempt({"t": _numbers(7), "gone": _numbers(3)})
    return World([earlier], Attempt({"t": _numbers(5, "b"), "new": _numbers(4)}), _NO_ID)


@world
def killed_without_an_id_then_the_same() -> World:
    killed = Attempt({"t": _numbers(7), "u": _numbers(3)}, Killed("PutObject", after=1, prefix="raw/"))
    return World([killed], Attempt({"t": _numbers(7), "u": _numbers(3)}), _NO_ID)


@world
def killed_amid_completes_without_an_id_then_the_same() -> World:
    tables = {"t": _numbers(7, "b"), "u": _numbers(3, "b")}
    earlier = Attempt({"t": _numbers(7), "u": _numbers(3)})
    killed = Attempt(tables, Killed("CompleteMultipartUpload", after=1))
    return World([earlier, killed], Attempt(tables), {**_NO_ID, **_ATOMIC})


_NO_ID = {"path": "raw/{{TABLE}}/{{YEAR}}.{{FORMAT}}", "no_rotate": True, "batch_size": None}


# Atomic


@world
def atomic_finished_then_more() -> World:
    return World([_given(7)], _given(12, "b"), _ATOMIC)


@world
def atomic_failed_in_the_source_then_the_same() -> World:
    return World([Attempt({"t": _numbers(40)}, Failed(), {"columns": ["n", "text"]}, _broken)], _given(40), _ATOMIC)


@world
def atomic_failed_and_unable_to_abort_then_the_same() -> World:
    failed = _given(12, "a", Failed(["UploadPart", "AbortMultipartUpload"], after=2))
    return World([failed], _given(12), _ATOMIC)


@world
def atomic_killed_once_claimed_then_the_same() -> World:
    return World([_given(7), _given(7, "b", Killed("CreateMultipartUpload"))], _given(7, "b"), _ATOMIC)


@world
def atomic_killed_in_mid_objects_then_the_same() -> World:
    return World([_given(12, "a", Killed("UploadPart", after=2))], _given(12), _ATOMIC)


@world
def atomic_killed_in_mid_objects_then_less() -> World:
    return World([_given(12), _given(12, "b", Killed("UploadPart", after=2))], _given(5, "c"), _ATOMIC)


@world
def atomic_killed_before_it_publishes_then_the_same() -> World:
    killed = _given(6, "a", Killed("PutObject", prefix="state/", holding=_IN_ATOMIC_PUBLISH, slowly=True))
    return World([killed], _given(6), _ATOMIC)


@world
def atomic_killed_before_any_complete_then_the_same() -> World:
    return World([_given(12, "a", Killed("CompleteMultipartUpload"))], _given(12), _ATOMIC)


@world
def atomic_killed_amid_completes_then_the_same() -> World:
    return World([_given(12, "a", Killed("CompleteMultipartUpload", after=2))], _given(12), _ATOMIC)


@world
def atomic_killed_amid_completes_then_more() -> World:
    killed = _given(12, "b", Killed("CompleteMultipartUpload", after=2))
    return World([_given(5), killed], _given(16, "c"), _ATOMIC)


@world
def atomic_killed_amid_completes_then_plain() -> World:
    killed = _given(12, "a", Killed("CompleteMultipartUpload", after=2), **_ATOMIC)
    return World([killed], _given(5, "b"))


@world
def plain_killed_in_mid_objects_then_atomic() -> World:
    killed = _given(12, "a", Killed("PutObject", after=3, prefix="raw/"))
    return World([killed], _given(12, **_ATOMIC))


@world
def atomic_killed_before_the_commit_then_the_same() -> World:
    killed = _given(12, "a", Killed("PutObject", prefix="state/", holding=_IN_COMMIT))
    return World([killed], _given(12), _ATOMIC)


@world
def atomic_killed_before_the_clean_up_then_the_same() -> World:
    return World([_given(7), _given(12, "b", Killed("DeleteObjects"))], _given(12, "b"), _ATOMIC)


@world
def atomic_killed_amid_completes_with_everything_then_less() -> World:
    killed = _with_bad(14, [1, 5, 6, 9], Killed("CompleteMultipartUpload", after=5))
    return World([_with_bad(12, [1, 5, 6]), killed], _with_bad(6, [2]), {**_EVERYTHING, **_ATOMIC})


# Staged files that are deleted


_FILES = {
    f"staging/{name}.json": "".join(f'{{"n":{n},"text":"{name}{n}"}}\n' for n in range(3)).encode() for name in "abc"
}
_STAGED = {"staging_path": f"s3://{BUCKET}/staging/*.json", "table": "t", "delete_staging": True}
_READ: Mapping[str, list[Record]] = {"t": [{"n": n, "text": f"{name}{n}"} for name in "abc" for n in range(3)]}
_BAD_FILES = {**_FILES, "staging/b.json": b'{"n":"bad","text":"bad"}\n' + _FILES["staging/b.json"]}
_READ_WITH_BAD: Mapping[str, list[Record]] = {"t": [*_READ["t"], {"n": "bad", "text": "bad"}]}


def _staged(*ends: End, **more: Any) -> World:
    arguments = {**_STAGED, **more.pop("arguments", {})}
    return World([Attempt(_READ, end) for end in ends], Attempt(_READ), arguments, _FILES, **more)


@world
def staged_killed_in_mid_objects() -> World:
    return _staged(Killed("PutObject", after=2, prefix="raw/"))


@world
def staged_refused_by_s3() -> World:
    return _staged(Failed(["PutObject"], after=2, prefix="raw/"))


@world
def staged_killed_before_the_commit() -> World:
    return _staged(Killed("PutObject", prefix="state/", holding=_IN_COMMIT))


@world
def staged_killed_before_any_deletion() -> World:
    return _staged(Killed("DeleteObject"))


@world
def staged_killed_between_deletions() -> World:
    return _staged(Killed("DeleteObject", after=1))


@world
def staged_killed_between_deletions_then_a_file_replaced() -> World:
    return _staged(Killed("DeleteObject", after=1), replaced={"staging/c.json": b'{"n":9,"text":"later"}\n'})


@world
def staged_killed_twice_between_deletions() -> World:
    return _staged(Killed("DeleteObject", after=1), Killed("DeleteObject"))


@world
def staged_finished() -> World:
    return _staged(Finished())


@world
def staged_atomic_killed_amid_completes() -> World:
    return _staged(Killed("CompleteMultipartUpload", after=2), arguments=_ATOMIC)


@world
def staged_killed_between_deletions_with_everything() -> World:
    earlier = Attempt(_READ_WITH_BAD, Killed("DeleteObject", after=1))
    return World([earlier], Attempt(_READ_WITH_BAD), {**_STAGED, **_EVERYTHING}, _BAD_FILES)


# Loads whose record Airflow keeps, and loads by the hook


@world
def kept_by_airflow_killed_in_mid_objects_then_less() -> World:
    killed = _given(12, "a", Killed("PutObject", after=3, prefix="raw/"))
    return World([killed], _given(3, "b"), by_airflow=True)


@world
def kept_by_airflow_atomic_killed_amid_completes_then_the_same() -> World:
    killed = _given(12, "a", Killed("CompleteMultipartUpload", after=2))
    return World([_given(5, "b"), killed], _given(12), _ATOMIC, by_airflow=True)


@world
def kept_by_airflow_staged_killed_between_deletions() -> World:
    return _staged(Killed("DeleteObject", after=1), by_airflow=True)


@world
def by_hook_killed_in_mid_objects_then_less() -> World:
    return World([_given(12, "a", Killed("PutObject", after=3, prefix="raw/"))], _given(3, "b"), by_hook=True)


@world
def by_hook_atomic_killed_amid_completes_then_the_same() -> World:
    killed = _given(12, "a", Killed("CompleteMultipartUpload", after=2))
    return World([_given(5), killed], _given(12), _ATOMIC, by_hook=True)


def _broken() -> Iterator[Record]:
    yield from _numbers(25)
    raise RuntimeError("The source broke.")


def _unwritable() -> Iterator[Record]:
    yield from _numbers(25)
    yield {"n": 3j, "text": "there is no rule for this number"}


def run(name: str, world: World, attempt: Attempt, number: int, store: TaskStateStore | None = None) -> dict[str, Any]:
    """Make an attempt of the load of a world, and return its report."""
    arguments = world.arguments_of(attempt)
    if world.by_hook:
        return run_hook(name, arguments)
    return run_task(name, arguments, number=number, store=store)
