"""Takes one attempt of a load through its steps, so that the objects are correct after any number of attempts.

The steps are, in this order: claim; reserve before each batch; publish; commit. With ``atomic`` every object is a
multipart upload, and publish completes all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from airflow_provider_s3dest.delivery.daemon_threads import briefly
from airflow_provider_s3dest.delivery.fence import Fence
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import (
    BatchRanges,
    KeySettings,
    LoadState,
    StagedToDelete,
    Upload,
    UsedNames,
    with_batches,
)
from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId, StoredObject
from airflow_provider_s3dest.delivery.open_uploads import OpenUploads
from airflow_provider_s3dest.delivery.own_keys import OwnKeys
from airflow_provider_s3dest.delivery.state_rules import StateRules, adopted, read_state
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import LoadStoppedError, SupersededError
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.spec.limits import OWNER

log = safe_logger(__name__)

FIRST_RESERVED = 1
"""Batches of a table that the claim itself reserves, so that a small load need not write the state again for them."""

RESERVED = 100
"""Most batches of a table that are reserved at a time; for a table that has more already, as many as it has."""

RESERVED_SECONDS = 1.0
"""How far ahead batches are reserved, at the pace of the batches before."""


class Delivery:
    """Delivers the objects of one attempt of a load; used as a context, whose end cleans up after a failure.

    :param settings: what the keys derive from; the claim sets their generation.
    :param identity: names the load.
    :param state_store: keeps the state of the load.
    :param sweeper: removes what is no longer needed.
    :param atomic: whether no object is visible before all are complete.
    :param staged: whether the records come from staged files.
    :param retried: whether there were earlier attempts; used only if no state says what they stored.
    :param rules: what the state must agree with; None: nothing besides its form.
    """

    def __init__(
        self,
        settings: KeySettings,
        identity: LoadIdentity,
        state_store: StateStore,
        sweeper: Sweeper,
        *,
        atomic: bool = False,
        staged: bool = False,
        retried: bool = False,
        rules: StateRules | None = None,
    ) -> None:
        self.atomic, self._is_staged, self._retried = atomic, staged, retried
        self._settings, self._identity, self._rules = settings, identity, rules
        self._own_keys = OwnKeys(identity, UsedNames(namespaces=[identity.namespace]), believes=True)
        self._owner = {OWNER: identity.load_uuid}
        self._state_store, self._sweeper = state_store, sweeper
        self._state = LoadState()
        self._fence = Fence(state_store.verify)
        self._uploads = OpenUploads()
        self._sidecars: list[tuple[str, str]] = []
        self._earlier: list[BatchRanges] = []
        self._begun: dict[tuple[str, str], int] = {}
        self._reserved_at, self._batches_since = time.monotonic(), 0
        self._claimed = self._committed = self._committing = self._may_be_late = False

    @property
    def generation(self) -> int:
        """The generation of the names that this attempt uses; known once the load is claimed."""
        return self._settings.generation

    @property
    def staged(self) -> StagedToDelete | None:
        """The staged files that the last success was to delete; known once the load is claimed."""
        return self._state.staged

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
                # A killed task has only seconds left. The next attempt finds in the state what is still open.
                self._note_begun()
                briefly(self._write)
            elif isinstance(error, SupersededError):
                self._sweeper.abort(self._uploads.all())
            elif self._committing and self.atomic and not self._state_store.in_order:
                # The failed write of the state may still take effect. Then the objects that it names must exist, and a
                # later attempt may delete the staged files because of it.
                log.warning("It is not known whether the commit was written. The next attempt finds out.")
            else:
                self._give_up()
        except SupersededError:
            log.warning("A newer attempt owns this load now; it cleans up what this attempt left.")
        except Exception as second:
            if isinstance(error, SupersededError):
                log.warning("Not all multipart uploads that this attempt had open could be aborted: %s", second)
            else:
                text = "Not everything could be cleaned up after the failure. The next attempt cleans up the rest: %s"
                log.warning(text, second)

    def has_loaded_staged(self) -> bool:
        """Return whether an earlier attempt loaded the staged files and was to delete them."""
        return read_state(self._state_store.peek(), self._state_store).staged is not None

    def claim(self, tables: Iterable[str] = (), sidecars: Iterable[str] = ()) -> None:
        """Take the load over from earlier attempts.

        :param tables: names of the tables, as far as they are known.
        :param sidecars: keys that this attempt may write a manifest or table definitions under.
        :raises SupersededError: if a newer attempt owns the load.
        :raises StateError: if the state that is there is not one of this load.
        """
        if self._retried and not self._state_store.durable:
            log.warning(
                "This is a retry, and the state of the load is kept nowhere. If the input is the same, this attempt "
                "overwrites the objects of earlier attempts. If an earlier attempt wrote more batches, its surplus "
                "objects remain. Set `state_path` to have them removed."
            )
        self._sidecars = [(self._settings.bucket, key) for key in sidecars]
        rules, tables = self._rules, [*tables]
        reserves = not (self.atomic or self._settings.is_partitioned)
        reserved = [BatchId(table, "", FIRST_RESERVED - 1) for table in tables if reserves]

        def take_over(text: str | None) -> str:
            earlier = read_state(text, self._state_store)
            if rules is not None:
                earlier = adopted(earlier, self._state_store, rules, self._settings, self._identity, tables)
                self._own_keys = OwnKeys(self._identity, earlier.used, believes=not self._state_store.is_open)
            self._state = self._taken_over(earlier, reserved)
            return self._state.to_text()

        with self._fence.proving():
            self._state_store.update(take_over)
        self._uploads.take_over(self._state.uploads)
        self._claimed = True
        self._reserved_at = time.monotonic()
        if self._may_be_late:
            self._fence.keep_quiet()
        if self.staged is None:
            self._fence_off()
            if not self.atomic:
                self._remove_sidecars()
        else:
            self._committed = True
            self._clean()

    def reserve(self, *batches: BatchId) -> None:
        """Note in the state that the objects of batches may exist; called before any byte of them is sent.

        Only a few more batches are reserved than are used, because the next attempt deletes the unused ones as surplus.

        :raises SupersededError: if a newer attempt owns the load.
        """
        self._begun.update((batch[:2], batch.number + 1) for batch in batches)
        self._batches_since += len(batches)
        if self.atomic:
            return
        reserved = [ranges for ranges in self._state.pending + self._state.live if ranges.settings == self._settings]
        unreserved = [batch for batch in batches if not any(batch in ranges for ranges in reserved)]
        if not unreserved:
            return
        pace = self._batches_since / max(time.monotonic() - self._reserved_at, 0.001)
        last = [batch._replace(number=batch.number + _ahead(batch, pace)) for batch in unreserved]
        self._state.pending = with_batches(self._state.pending, self._settings, last)
        self._write()
        self._reserved_at, self._batches_since = time.monotonic(), 0

    def owner_of(self, batch: BatchId) -> Mapping[str, str]:
        """Return the metadata that say which load the object of a batch belongs to; empty if its key says so."""
        return self._owner if self._settings.is_shared and batch.partition != QUARANTINE else {}

    def owner_of_sidecar(self, key: str) -> Mapping[str, str]:
        """Return the metadata that say which load a sidecar belongs to; empty if its key says so."""
        return {} if self._own_keys.identify(key) else self._owner

    def may_be_stored(self, batch: BatchId) -> bool:
        """Return whether an earlier attempt may have stored the object of this batch under its present key."""
        if self.atomic:
            return False
        if not self._state_store.durable:
            return self._retried
        return any(batch in ranges for ranges in self._earlier if ranges.settings == self._settings)

    def opened(self, key: str, upload_id: str) -> None:
        """Note a multipart upload; called from any thread."""
        self._uploads.add(Upload(self._settings.bucket, key, upload_id))

    def completed(self, upload_id: str) -> None:
        """Forget a multipart upload that is complete; called from any thread."""
        self._uploads.discard(upload_id)

    def tick(self) -> None:
        """Write open multipart uploads into the state now and then; called often, from any thread.

        :raises SupersededError: if a newer attempt owns the load.
        """
        if self._uploads.must_be_written:
            self._write()

    def fence(self, *, at_once: bool = False) -> None:
        """Check that this attempt alone sends requests; called before each request is sent.

        :param at_once: check even if the last proof of ownership is recent.
        :raises SupersededError: if a newer attempt owns the load.
        """
        self._fence.check(at_once=at_once)

    def publish(self, objects: Sequence[StoredObject], complete: Callable[[], None]) -> None:
        """Make all objects visible that are not yet; called once every byte of the load is sent.

        :param complete: completes the uploads that were held back.
        :raises SupersededError: if a newer attempt owns the load.
        """
        if not self.atomic:
            return
        self._state.pending = [BatchRanges.of(self._settings, (one.batch for one in objects))] if objects else []
        self._write()
        complete()

    def commit(
        self,
        objects: Sequence[StoredObject],
        staged: StagedToDelete | None = None,
        sidecars: Sequence[tuple[str, Callable[[], None]]] = (),
    ) -> None:
        """Note that the load is complete, and remove what earlier attempts left.

        :param staged: staged files to delete once the commit is written.
        :param sidecars: key of each manifest and table definition, and a function that writes it. They are written
            after the commit and before old objects are deleted. A sidecar of an earlier attempt that is not listed is
            removed.
        :raises SupersededError: if a newer attempt owns the load.
        :raises StoreError: if what earlier attempts left can't be removed.
        """
        state = self._state
        mine = BatchRanges.of(self._settings, (one.batch for one in objects), committed=True)
        surplus = [left for left in (ranges.minus(mine) for ranges in self._earlier) if left]
        live = [mine] if mine else []
        committed = replace(state, live=live, pending=[], doomed=state.doomed + surplus)
        self._committing = True
        if sidecars:
            # If the attempt dies before its sidecars are written, the files are loaded again: so they must stay.
            written = [(self._settings.bucket, key) for key, _ in sidecars]
            owned = [*state.owned_sidecars, *(one for one in written if self.owner_of_sidecar(one[1]))]
            self._write(replace(committed, sidecars=written, owned_sidecars=owned))
        else:
            self._write(replace(committed, staged=staged))
        self._committed = True
        for _, write in sidecars:
            write()
        self._state.staged = staged
        self._clean(changed=bool(sidecars))

    def delete_staged(self, delete: Callable[[Sequence[tuple[str, str]]], None]) -> None:
        """Delete the staged files that the last success was to delete, and note that they are gone.

        :param delete: deletes files, given by path and version.
        """
        staged = self._state.staged
        if staged is not None and staged.files:
            delete(staged.files)
            staged.files = []
            self._write()

    def _taken_over(self, earlier: LoadState, reserved: Sequence[BatchId]) -> LoadState:
        """Return the state that follows when this attempt takes over from ``earlier``."""
        if self._is_staged and earlier.staged is not None:
            return earlier  # the load was complete, and some of its files may be deleted: nothing is loaded again
        state = replace(earlier, atomic=self.atomic, staged=None, doomed=list(earlier.doomed))
        if self.atomic or (earlier.atomic and earlier.pending):
            # A late CompleteMultipartUpload may still make these objects visible, so their names can't be used again.
            state.doomed, state.pending = earlier.doomed + earlier.pending, []
        if state.doomed or (self.atomic and state.live):
            state.generation = earlier.generation + 1
        self._settings = replace(self._settings, generation=state.generation)
        self._earlier = state.live + state.pending
        state.old_sidecars, state.sidecars = [*earlier.old_sidecars, *earlier.sidecars], []
        self._may_be_late = earlier.leaves_late_requests(before_atomic=self.atomic)
        if reserved:
            state.pending = with_batches(state.pending, self._settings, reserved)
        return state

    def _fence_off(self) -> None:
        """Abort the uploads of earlier attempts, then delete objects that were never part of a success.

        The order matters: once its upload is aborted, an object can't appear any more.
        """
        state = self._state
        self._sweeper.abort(state.uploads)
        self._uploads.discard(*(upload.upload_id for upload in state.uploads))
        # Objects with shared keys stay until the load is whole: before that, they may be what an earlier run wrote.
        failed = [ranges for ranges in state.doomed if not (ranges.committed or ranges.settings.is_shared)]
        if failed:
            self.fence()  # an attempt that does not hold objects back may be about to put one of them
            self._sweeper.delete(self._keys(failed) - self._keys(state.live))
            state.doomed = [ranges for ranges in state.doomed if ranges not in failed]

    def _remove_sidecars(self) -> None:
        """Remove the sidecars that may exist, before any object is written under a key that they list."""
        untracked = [] if self._state_store.durable else self._sidecars
        self._delete_sidecars({*self._state.old_sidecars, *untracked})
        self._state.old_sidecars = []

    def _delete_sidecars(self, sidecars: set[tuple[str, str]]) -> None:
        if sidecars:
            # Unlike keys of objects, keys of sidecars are used again: a newer attempt may have written them already.
            self.fence()
            shared = {(bucket, key) for bucket, key in sidecars if self.owner_of_sidecar(key)}
            self._sweeper.delete(sidecars - shared)
            known = {*self._state.owned_sidecars} | (set() if self._state_store.durable else shared)
            self._sweeper.delete_owned({one: one in known for one in shared}, self._own_keys.owners, self.fence)

    def _clean(self, *, changed: bool = False) -> None:
        """Delete what does not belong to the last success.

        :param changed: whether to write the state even if nothing is deleted.
        """
        state = self._state
        needed = {*state.sidecars} | self._keys(state.live)
        self._delete_sidecars({*state.old_sidecars} - needed)
        named, shared = self._own_keys.split(state.doomed, needed)
        self._sweeper.delete(named)
        self._sweeper.delete_owned(shared, self._own_keys.owners, self.fence)
        if changed or state.old_sidecars or state.doomed:
            state.old_sidecars, state.doomed = [], []
            state.owned_sidecars = [one for one in state.owned_sidecars if one in state.sidecars]
            self._write()

    def _give_up(self) -> None:
        """Clean up after a failure of this attempt."""
        state = self._state
        if self.atomic:
            state.doomed, state.pending = state.doomed + state.pending, []
            state.generation += 1
        self._note_begun()
        self._write()
        self._fence_off()
        if self._state_store.durable:
            self._write()

    def _note_begun(self) -> None:
        """Note exactly which objects may exist, so that the next attempt takes no other keys for surplus."""
        if self.atomic:
            return
        begun = [BatchId(*partition, count - 1) for partition, count in self._begun.items()]
        earlier = [ranges for ranges in self._earlier if not ranges.committed]
        self._state.pending = with_batches(earlier, self._settings, begun)

    def _write(self, state: LoadState | None = None) -> None:
        """Write the present state, or another one that then replaces it."""
        with self._fence.proving():
            state = state or self._state
            state.uploads = self._uploads.for_state()
            self._state_store.write(state.to_text())
            self._state = state
            self._uploads.note_written()

    def _keys(self, several: Iterable[BatchRanges]) -> set[tuple[str, str]]:
        return {key for ranges in several for key in ranges.keys(self._identity)}


def _ahead(batch: BatchId, pace: float) -> int:
    """Return how many more batches to reserve after this one.

    Partitions are many and mostly small, so they reserve no more than they have used.

    :param pace: batches of the last second.
    """
    most = batch.number if batch.partition else max(RESERVED, batch.number)
    return max(1, int(min(pace * RESERVED_SECONDS, most))) - 1
