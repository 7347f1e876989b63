"""The plan of a load: all that is decided before its first request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.delivery.load_state import KeySettings, StagedToDelete
from airflow_provider_s3dest.delivery.state_rules import StateRules
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.load.arguments import LoadArguments, table_faults
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.quarantine import Quarantine
from airflow_provider_s3dest.load.sidecars import manifest
from airflow_provider_s3dest.load.sidecars.ddl import definitions
from airflow_provider_s3dest.load.sidecars.ddl.definitions import TableDefinitions
from airflow_provider_s3dest.load.sidecars.manifest import Manifest
from airflow_provider_s3dest.load.sidecars.sidecar import Sidecar
from airflow_provider_s3dest.load.state_path import state_object
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.sources.staging import may_be_staged
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.sentinels import is_given


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a load does, and under which keys.

    :param arguments: the arguments of the load, which have no faults.
    :param spec: where the objects go, their format, and how the records are cut.
    :param identity: names the load.
    :param settings: what the keys follow from.
    :param keys: builds the keys.
    :param quarantine: where bad records go; None: the first bad record fails the load.
    """

    arguments: LoadArguments
    spec: DestinationSpec
    identity: LoadIdentity
    settings: KeySettings
    keys: KeyBuilder
    quarantine: Quarantine | None

    @classmethod
    def of(cls, arguments: LoadArguments, identity: LoadIdentity, run_date: datetime | None) -> LoadPlan:
        """Plan a load.

        :param run_date: the date from which the dates in keys derive; None if the run has no date.
        :raises SpecError: if the path needs a date and the run has none.
        """
        spec, quarantine = DestinationSpec(**arguments.fields), None
        identity = replace(identity, namespace=spec.uuid_namespace)
        if arguments.on_bad_record == "quarantine":
            quarantine = Quarantine.of(spec, arguments.quarantine_path, arguments.max_bad_records)
        settings = KeySettings(
            spec.bucket,
            spec.path,
            spec.file_format,
            run_date.isoformat() if run_date else None,
            quarantine=quarantine.spec.path if quarantine else None,
            namespace=spec.uuid_namespace,
        )
        return cls(arguments, spec, identity, settings, settings.builder(identity), quarantine)

    @property
    def is_staged(self) -> bool:
        """Whether the records come from staged files."""
        return is_given(self.arguments.staging_path)

    @property
    def written_path(self) -> str:
        """The path before its Jinja was rendered; as it was received if it does not stand in the DAG file."""
        return self.arguments.written_path or self.spec.path

    @property
    def state_rules(self) -> StateRules:
        """What the state of the load must agree with."""
        templates = [
            *([self.quarantine.spec.path] if self.quarantine else ()),
            *([manifest.template_of(self.spec)] if self.arguments.manifest else ()),
            *([definitions.template_of(self.spec)] if self.spec.ddl else ()),
        ]
        return StateRules(self.written_path, templates, self._staged_problem)

    def _staged_problem(self, staged: StagedToDelete, is_open: bool) -> str | None:
        """Return what is wrong with what a state says of staged files; None if nothing is.

        :param is_open: whether others can write the state.
        """
        try:
            msgspec.convert(staged.report, LoadReport)
        except msgspec.ValidationError as error:
            return f"does not hold the state of a load: its report is wrong: {error}."
        for path, _ in staged.files if is_open and self.is_staged else ():
            if not may_be_staged(path, self.arguments.staging_path):
                return f"names the staged file {path}, which `staging_path` does not match."
        return None

    @property
    def deletes_shared(self) -> bool:
        """Whether the load may delete objects whose keys another load can have too.

        A mapped instance may not, unless its keys hold the map index: two instances can write the same bytes under one
        key, and then no condition tells whose they are.
        """
        return not self.identity.is_mapped or "map_index" in self.written_path

    @property
    def state_object(self) -> tuple[str, str] | None:
        """Bucket and key of the object that keeps the state; None if no argument names a place for it."""
        state_path = self.arguments.state_path
        return None if state_path is None else state_object(state_path, self.spec.bucket, self.identity)

    def sidecars(self, tables: Collection[str]) -> list[Sidecar]:
        """Return what the load writes about its objects, after the checks that need the names of the tables.

        :raises SpecError: if two tables would share a key, or an object would lie where it must not.
        """
        if faults := list(table_faults(self.spec.path, tables)):
            raise SpecError(faults)
        sidecars: list[Sidecar] = []
        listing = None
        if self.arguments.manifest is not None:
            listing = Manifest.of(self.arguments.manifest, self.spec, self.keys, tables)
            self.keys.keep_free(listing.key, "manifest_path")
        if self.spec.ddl:
            sidecars.append(TableDefinitions(self.spec, self.keys, tables, listing))
        if listing is not None:
            sidecars.append(listing)
        self.keys.check(tables)
        if self.quarantine is not None:
            self.quarantine.check_place(self.keys, tables)
        if faults := list(self.arguments.state_faults(map(self.keys.prefix, tables))):
            raise SpecError(faults)
        return sidecars

    def log_end(self, report: LoadReport, progress: Progress) -> None:
        """Log what the load did."""
        dry_run = self.arguments.dry_run
        progress.end(report, "Would store" if dry_run else "Stored")
        if self.quarantine is not None:
            verb = "Would quarantine" if dry_run else "Quarantined"
            self.quarantine.log_bad_records(report.tables, self.keys, verb)
