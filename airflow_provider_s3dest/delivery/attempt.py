"""Takes a load through its steps, so that its objects are right after any number of tries.

The steps are, in this order: claim; reserve before each batch; publish; commit. With ``atomic`` every object is a
multipart upload, all of which are completed between publish and commit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType

from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import BatchRanges, KeySettings, LoadState, StagedToDelete, Upload
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import LoadStoppedError, SupersededError

log = logging.getLogger(__name__)

FIRST_RESERVED = 1
"""Batches of a table that the claim itself reserves, so that a small load needs no further write of the record."""

RESERVED = 100
"""Batches of a table that are reserved at a time, at most, as long as the table has not more."""

RESERVED_SECONDS = 1.0
"""Time for which batches are reserved ahead, at the pace of those before."""

LOGGED_SECONDS = 1.0
"""Time that a multipart upload may be open and not in the record; longer where many are open."""

LOGGED_UPLOADS = 1_000
"""Open uploads for each of which so many, the record is written that much more rarely: so it never costs too much."""

FENCE_SECONDS = 1.0
"""Age of the last sign that this try owns its load, at which it is looked for again before a request is sent."""

QUIET_SECONDS = FENCE_SECONDS
"""Time after a claim in which an earlier try that lives may not have noticed it, and so may begin requests."""


class Delivery:
    """Delivers the objects of one try of a load; used as a context, whose end cleans up after a failure.

    :param naming: what the keys follow from; its generation is taken from the record.
    :param state: keeps the record.
    :param sweeper: removes what is no longer needed.
    :param atomic: whether no object is visible before all are complete.
    :param staged: whether the records come from staged files.
    :param retried: whether earlier tries may have stored the same objects, where there is no record to tell.
    """

    def __init__(
        self,
        naming: KeySettings,
        identity: LoadIdentity,
        state: StateStore,
        sweeper: Sweeper,
        *,
        atomic: bool = False,
        staged: bool = False,
        retried: bool = False,
    ) -> None:
        self.atomic, self._staged = atomic, staged
        self._naming, self._identity, self._state, self._sweeper = naming, identity, state, sweeper
        self._retried = retried
        self._sidecars: list[tuple[str, str]] = []
        self._record = LoadState()
        self._earlier: list[BatchRanges] = []
        self._begun: dict[tuple[str, str], int] = {}
        self._open: dict[str, Upload] = {}
        self._unlogged: set[str] = set()
        self._written = self._verified = self._quiet_until = time.monotonic()
        self._reserved, self._batches = self._written, 0
        self._claimed = self._committed = self._committing = False
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    @property
    def generation(self) -> int:
        """That of the names which this try uses; known once the load is claimed."""
        return self._naming.generation

    @property
    def consumed(self) -> StagedToDelete | None:
        """What the last success noted of its staged files; known once the load is claimed."""
        return self._record.consumed

    def __enter__(self) -> Delivery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        killed = isinstance(error, LoadStoppedError) or not isinstance(error, (Exception, type(None)))
        if killed:
            self._sweeper.stop()
        if error is None or not self._claimed or self._committed:
            return
        try:
            if killed:
                # A killed task has seconds to live: what is open is left to the next try, which finds it in the record.
                self._note_begun()
                self._write()
            elif isinstance(error, SupersededError):
                self._sweeper.abort(list(self._open.values()))
            elif self._committing and self.atomic and not self._state.in_order:
                # The note may yet be taken: then what it names must be there, and staged files may be deleted by it.
                log.warning("Whether the load was noted as whole is not known: the next try finds out.")
            else:
                self._give_up()
        except SupersededError:
            log.warning("A newer try owns this load by now: it cleans up what this one left.")
        except Exception as second:
            if isinstance(error, SupersededError):
                log.warning("Not all multipart uploads that this try had open could be aborted: %s", second)
            else:
                log.warning("Not everything could be cleaned up after the failure; the next try does it: %s", second)

    def was_consumed(self) -> bool:
        """Say whether an earlier try was to delete the staged files that it had loaded."""
        return LoadState.from_text(self._state.peek()).consumed is not None

    def claim(self, tables: Iterable[str] = (), sidecars: Iterable[str] = ()) -> None:
        """Take the load over from earlier tries.

        :param tables: names of the tables, as far as they are known.
        :param sidecars: keys of what this try may write about its objects: a manifest, table definitions.
        :raises SupersededError: if a newer try owns the load.
        """
        if self._retried and not self._state.durable:
            log.warning(
                "This is a retry, and no record of what earlier tries wrote is kept. Their objects are overwritten if "
                "the input is the same; if it gave fewer batches this time, surplus objects of theirs remain. "
                "Give `state_path` to have them removed."
            )
        self._sidecars = [(self._naming.bucket, key) for key in sidecars]
        reserved = [BatchId(table, "", FIRST_RESERVED - 1) for table in ([] if self.atomic else tables)]

        def take_over(text: str | None) -> str:
            self._record = self._taken_over(LoadState.from_text(text), reserved)
            return self._record.to_text()

        self._verified = time.monotonic()  # the answer may be late, and a newer try own the load by then
        self._state.update(take_over)
        self._open = {upload.upload_id: upload for upload in self._record.uploads}
        self._claimed = True
        self._written = self._reserved = time.monotonic()
        unsure = self._record.old_sidecars or any(not names.committed for names in self._earlier)
        if not self.atomic and unsure:
            self._quiet_until = self._written + QUIET_SECONDS
        if self.consumed is None:
            self._fence_off()
            if not self.atomic:
                self._remove_sidecars()
        else:
            self._committed = True
            self._clean()

    def reserve(self, *batches: BatchId) -> None:
        """Note that the objects of batches may exist from now on; called before anything of them is sent.

        Few names more than are used are noted, as the next try takes them for surplus if it does not use them.

        :raises SupersededError: if a newer try owns the load.
        """
        self._begun.update((batch[:2], batch.number + 1) for batch in batches)
        self._batches += len(batches)
        if self.atomic:
            return
        known = [names for names in self._record.pending + self._record.live if names.naming == self._naming]
        unknown = [batch for batch in batches if not any(batch in names for names in known)]
        if not unknown:
            return
        pace = self._batches / max(time.monotonic() - self._reserved, 0.001)
        last = [batch._replace(number=batch.number + _ahead(batch, pace)) for batch in unknown]
        self._record.pending = _with(self._record.pending, self._naming, last)
        self._write()
        self._reserved, self._batches = time.monotonic(), 0

    def may_be_stored(self, batch: BatchId) -> bool:
        """Say whether an earlier try may have stored the object of this batch under the name it has now."""
        if self.atomic:
            return False
        if not self._state.durable:
            return self._retried
        return any(batch in names for names in self._earlier if names.naming == self._naming)

    def opened(self, key: str, upload_id: str) -> None:
        """Note a multipart upload; from any thread."""
        with self._lock:
            self._open[upload_id] = Upload(self._naming.bucket, key, upload_id)
            self._unlogged.add(upload_id)

    def completed(self, upload_id: str) -> None:
        """Forget a multipart upload that is complete; from any thread."""
        with self._lock:
            self._open.pop(upload_id, None)
            self._unlogged.discard(upload_id)

    def tick(self) -> None:
        """Put multipart uploads into the record now and then; called often, from any thread.

        :raises SupersededError: if a newer try owns the load.
        """
        rarely = max(1.0, len(self._open) / LOGGED_UPLOADS)
        if self._unlogged and time.monotonic() - self._written >= LOGGED_SECONDS * rarely:
            self._write()

    def fence(self, *, at_once: bool = False) -> None:
        """See that this try alone sends requests; called before each is sent.

        Whether it still owns its load is looked for if that was not seen lately. An earlier try that lives looks as
        often: so once both have waited that long, nothing it has not sent by then comes after what is sent here.

        :param at_once: whether to look however lately that was seen.
        :raises SupersededError: if a newer try owns the load.
        """
        if (quiet := self._quiet_until - time.monotonic()) > 0:
            time.sleep(quiet)
        allowed = 0.0 if at_once else FENCE_SECONDS
        if time.monotonic() - self._verified < allowed:
            return
        with self._writing:
            if (began := time.monotonic()) - self._verified >= allowed:
                self._state.verify()
                self._verified = began

    def publish(self, objects: Sequence[StoredObject], complete: Callable[[], None]) -> None:
        """Make all objects visible that are not yet; called once every byte of the load is sent.

        :param complete: completes the uploads that were held back.
        :raises SupersededError: if a newer try owns the load.
        """
        if not self.atomic:
            return
        self._record.pending = [BatchRanges.of(self._naming, (one.batch for one in objects))] if objects else []
        self._write()
        complete()

    def commit(
        self,
        objects: Sequence[StoredObject],
        consumed: StagedToDelete | None = None,
        sidecars: Sequence[tuple[str, Callable[[], None]]] = (),
    ) -> None:
        """Note that the load is whole, and remove what earlier tries left beside it.

        :param consumed: staged files to delete once this is noted.
        :param sidecars: of the manifest and each table definition its key, and what lets it appear, which is done
            between the two. One of an earlier try that is not among them is removed.
        :raises SupersededError: if a newer try owns the load.
        :raises StoreError: if what earlier tries left can't be removed.
        """
        record = self._record
        mine = BatchRanges.of(self._naming, (one.batch for one in objects), committed=True)
        surplus = [left for left in (names.minus(mine) for names in self._earlier) if left]
        live = [mine] if mine else []
        committed = replace(record, live=live, pending=[], doomed=record.doomed + surplus)
        self._committing = True
        if sidecars:
            # Only a load whose manifest is there is not loaded again.
            self._write(replace(committed, sidecars=[(self._naming.bucket, key) for key, _ in sidecars]))
        else:
            self._write(replace(committed, consumed=consumed))
        self._committed = True
        for _, write in sidecars:
            write()
        self._record.consumed = consumed
        self._clean(changed=bool(sidecars))

    def remove_consumed(self, remove: Callable[[Sequence[tuple[str, str]]], None]) -> None:
        """Delete the staged files that the last success noted, and note that.

        :param remove: deletes files, by path and version.
        """
        consumed = self._record.consumed
        if consumed is not None and consumed.files:
            remove(consumed.files)
            consumed.files = []
            self._write()

    def _taken_over(self, earlier: LoadState, reserved: Sequence[BatchId]) -> LoadState:
        """Give the record that follows when this try takes over from what earlier ones noted."""
        if self._staged and earlier.consumed is not None:
            return earlier  # the load was whole, and what it read is gone in part: nothing is loaded again
        record = replace(earlier, atomic=self.atomic, consumed=None, doomed=list(earlier.doomed))
        if self.atomic or (earlier.atomic and earlier.pending):
            # A late Complete may still make these visible, so that their names can't be used again.
            record.doomed, record.pending = earlier.doomed + earlier.pending, []
        if record.doomed or (self.atomic and record.live):
            record.generation = earlier.generation + 1
        self._naming = replace(self._naming, generation=record.generation)
        self._earlier = record.live + record.pending
        record.old_sidecars, record.sidecars = [*earlier.old_sidecars, *earlier.sidecars], []
        if reserved:
            record.pending = _with(record.pending, self._naming, reserved)
        return record

    def _fence_off(self) -> None:
        """Abort what earlier tries had open, then delete what can't appear any more and never was part of a success."""
        record = self._record
        self._sweeper.abort(record.uploads)
        with self._lock:
            for upload in record.uploads:
                self._open.pop(upload.upload_id, None)
        failed = [names for names in record.doomed if not names.committed]
        if failed:
            self._sweeper.delete(self._keys(failed) - self._keys(record.live))
            record.doomed = [names for names in record.doomed if names.committed]

    def _remove_sidecars(self) -> None:
        """Remove what sidecars there may be, before anything is written under a name that they tell of."""
        unknown = [] if self._state.durable else self._sidecars
        self._delete_sidecars({*self._record.old_sidecars, *unknown})
        self._record.old_sidecars = []

    def _delete_sidecars(self, sidecars: set[tuple[str, str]]) -> None:
        if sidecars:
            # Their keys are used again, other than those of objects, so that a newer try may need them.
            self.fence()
            self._sweeper.delete(sidecars)

    def _clean(self, *, changed: bool = False) -> None:
        """Delete what is surplus beside the last success.

        :param changed: whether the record is to be written in any case.
        """
        record = self._record
        needed = {*record.sidecars} | self._keys(record.live)
        self._delete_sidecars({*record.old_sidecars} - needed)
        self._sweeper.delete(self._keys(record.doomed) - needed)
        if changed or record.old_sidecars or record.doomed:
            record.old_sidecars, record.doomed = [], []
            self._write()

    def _give_up(self) -> None:
        """Clean up after a failure of this try."""
        record = self._record
        if self.atomic:
            record.doomed, record.pending = record.doomed + record.pending, []
            record.generation += 1
        self._note_begun()
        self._write()
        self._fence_off()
        if self._state.durable:
            self._write()

    def _note_begun(self) -> None:
        """Note exactly what may exist, so that the next try finds no surplus where none is."""
        if self.atomic:
            return
        begun = [BatchId(*place, count - 1) for place, count in self._begun.items()]
        earlier = [names for names in self._earlier if not names.committed]
        self._record.pending = _with(earlier, self._naming, begun)

    def _write(self, record: LoadState | None = None) -> None:
        """Write the record as it is, or another, which then takes its place."""
        with self._writing:
            record = record or self._record
            with self._lock:
                record.uploads = list(self._open.values())
                self._unlogged.clear()
            began = time.monotonic()
            self._state.write(record.to_text())
            self._record, self._written, self._verified = record, time.monotonic(), began

    def _keys(self, several: Iterable[BatchRanges]) -> set[tuple[str, str]]:
        return {key for names in several for key in names.keys(self._identity)}


def _ahead(batch: BatchId, pace: float) -> int:
    """Say how many batches to reserve beyond one: of partitions there may be many, and most of them small.

    :param pace: batches of the last second.
    """
    most = batch.number if batch.partition else max(RESERVED, batch.number)
    return max(1, int(min(pace * RESERVED_SECONDS, most))) - 1


def _with(several: Sequence[BatchRanges], naming: KeySettings, batches: Iterable[BatchId]) -> list[BatchRanges]:
    """Add batches to those names of several that have this naming."""
    same = [names for names in several if names.naming == naming]
    others = [names for names in several if names.naming != naming]
    return [*others, BatchRanges.of(naming, [*(last for names in same for last in _last(names)), *batches])]


def _last(names: BatchRanges) -> Iterable[BatchId]:
    return [BatchId(table, partition, end - 1) for (table, partition), (_, end) in names.spans.items()]
