"""Tells which keys are those of one load alone, and which other loads can have too."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from airflow_provider_s3dest.delivery.keys import LoadIdentity, uuids_in
from airflow_provider_s3dest.delivery.load_state import BatchRanges, UsedNames
from airflow_provider_s3dest.delivery.objects import ANY_TABLE, DDL, MANIFEST, BatchId


class OwnKeys:
    """Tells which keys of manifests and table definitions no other load can have.

    :param identity: names the load.
    :param used: the tables and the namespaces of its attempts.
    :param believes: whether every UUID in a key is taken for one of the load, as long as it is no ``{{SYNC_ID}}``.
        The tables of version 0.1.0 are not all known. Only where no other load and no person can write the state.
    """

    def __init__(self, identity: LoadIdentity, used: UsedNames, *, believes: bool = False) -> None:
        self._identities = [replace(identity, namespace=namespace) for namespace in used.namespaces]
        self._tables, self._believes = used.tables, believes
        self._uuids: frozenset[str] | None = None

    def identify(self, key: str) -> bool:
        """Return whether a key holds a UUID that only a manifest or table definition of this load has."""
        found = uuids_in(key)
        if self._believes:
            return not {*found} <= {one.sync_id for one in self._identities}
        if found and self._uuids is None:
            batches = [BatchId(table, name, 0) for table in (ANY_TABLE, *self._tables) for name in (MANIFEST, DDL)]
            self._uuids = frozenset(one.batch_uuid(batch) for one in self._identities for batch in batches)
        return self._uuids is not None and not self._uuids.isdisjoint(found)

    @property
    def owners(self) -> frozenset[str]:
        """The identities that objects of the load may carry in their metadata."""
        return frozenset(one.load_uuid for one in self._identities)

    def split(
        self, several: Iterable[BatchRanges], needed: Set[tuple[str, str]]
    ) -> tuple[set[tuple[str, str]], dict[tuple[str, str], bool]]:
        """Return bucket and key of the objects of some ranges, without those that are needed.

        :return: the objects whose keys only this load has; and the others, each with whether it surely carries the
            identity of its load.
        """
        named: set[tuple[str, str]] = set()
        shared: dict[tuple[str, str], bool] = {}
        for ranges in several:
            of_any = {*ranges.shared_keys(self._identities[0])} - needed
            named |= {*ranges.keys(self._identities[0])} - needed - of_any
            shared.update((one, ranges.owned and shared.get(one, True)) for one in of_any)
        return named, shared
