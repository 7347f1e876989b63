"""Judges the state that a load finds: whether it can be read, belongs to the load, and names only keys of the load."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import KeySettings, LoadState, StagedToDelete, UsedNames
from airflow_provider_s3dest.delivery.own_keys import OwnKeys
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.errors import StateError
from airflow_provider_s3dest.spec.path_matching import may_give, may_render
from airflow_provider_s3dest.spec.path_template import placeholders

MOST_OBJECTS = 10_000_000
"""Objects that a state may name which others can write: without a limit, a text of a few bytes could name all keys."""


@dataclass(frozen=True, slots=True)
class StateRules:
    """What a state must agree with, besides the settings of the keys.

    :param written_path: the path before its Jinja was rendered; as it was received if it is not in the DAG file.
    :param templates: the templates of all keys of the load: of objects, bad records, manifest and table definitions.
    :param staged_problem: returns what is wrong with staged files that a state names; None if nothing is. The second
        argument is whether others can write the state.
    """

    written_path: str
    templates: Sequence[str] = ()
    staged_problem: Callable[[StagedToDelete, bool], str | None] = lambda _staged, _is_open: None

    def used(self, settings: KeySettings, identity: LoadIdentity, tables: Collection[str]) -> UsedNames:
        """Return what the keys of this attempt may be made of."""
        return UsedNames([*tables], [settings.path, *self.templates], [identity.namespace])


def read_state(text: str | None, store: StateStore) -> LoadState:
    """Return the state that a text holds.

    :raises StateError: if it holds none.
    """
    try:
        return LoadState.from_text(text)
    except ValueError as error:
        raise StateError(store.where, f"does not hold the state of a load: {error}.", store.remedy) from error


def adopted(
    state: LoadState,
    store: StateStore,
    rules: StateRules,
    settings: KeySettings,
    identity: LoadIdentity,
    tables: Collection[str],
) -> LoadState:
    """Return a state that was found, if it is one of this load, with what this attempt uses noted in it.

    Airflow's own store is written by this load alone, so that a changed path or bucket there is one of this load.

    :param tables: names of the tables of this attempt, as far as they are known.
    :raises StateError: if it is the state of another load.
    """
    problem = None if state.staged is None else rules.staged_problem(state.staged, store.is_open)
    if store.is_open and problem is None:
        problem = next(_problems(state, rules, settings, identity, tables), None)
        if problem is None and not store.follows:
            problem = _namespace_problem(state, identity)
    if problem is not None:
        raise StateError(store.where, problem, store.remedy)
    used = state.all_used().joined(rules.used(settings, identity, tables))
    return replace(state, written_path=rules.written_path, used=used)


def _namespace_problem(state: LoadState, identity: LoadIdentity) -> str | None:
    """Return why a state is one of another Airflow; None if it is not."""
    known = state.all_used().namespaces
    if not known or identity.namespace in known:
        return None
    return (
        f"is the state of a load with the `uuid_namespace` {known[-1]!r}, and this load has {identity.namespace!r}: "
        "another Airflow with the same DAG may own it."
    )


def _problems(
    state: LoadState, rules: StateRules, settings: KeySettings, identity: LoadIdentity, tables: Collection[str]
) -> Iterator[str]:
    """Yield why a state is not one of this load."""
    objects = sum(end - first for ranges in state.ranges for first, end in ranges.ranges.values())
    if objects > MOST_OBJECTS:
        yield f"names {objects:,} objects, and a state under `state_path` may name {MOST_OBJECTS:,}."
    sidecars = [*state.sidecars, *state.old_sidecars, *state.owned_sidecars]
    buckets = [
        *(ranges.settings.bucket for ranges in state.ranges),
        *(upload.bucket for upload in state.uploads),
        *(bucket for bucket, _ in sidecars),
    ]
    for bucket in buckets:
        if bucket != settings.bucket:
            yield f"is the state of a load to the bucket {bucket!r}, and this load goes to {settings.bucket!r}."
    written, own_path = state.written_path, rules.written_path
    if written is not None and written != own_path:
        yield f"is the state of a load to the path {written!r}, and this load goes to {own_path!r}."
    for path in (ranges.settings.path for ranges in state.ranges):
        is_ours = path == settings.path
        if not is_ours and written is not None:
            is_ours = may_render(own_path, path)
        if not is_ours:
            yield f"names objects of the path {path!r}, and this load goes to {own_path!r}."
    used = state.all_used()
    if identity.is_chosen and tables and used.tables and {*used.tables}.isdisjoint(tables):
        named, own = (", ".join(map(repr, sorted(several)[:5])) for several in (used.tables, tables))
        yield f"is the state of a load of {named}, and this load is of {own}."
    used = used.joined(rules.used(settings, identity, tables))
    ours = OwnKeys(identity, used)
    # Version 0.1.0 did not note the tables of its sidecars. These are deleted only if it can be shown whose they are.
    of_sidecars = [one for one in used.templates if written is None or "UUID" not in placeholders(one)]
    templates = {
        **{key: of_sidecars for _, key in sidecars if not ours.identify(key)},
        **{upload.key: used.templates for upload in state.uploads},
    }
    for key, several in templates.items():
        if not any(may_give(template, key) for template in several):
            yield f"names the object {key!r}, which no template of this load gives."
