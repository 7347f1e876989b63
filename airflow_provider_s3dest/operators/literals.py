"""What the DAG file alone tells of the operator's arguments, so that it is an import error of the DAG."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators.held_records import is_reference, jinja_in, release
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.jinja import syntax_fault
from airflow_provider_s3dest.spec.nested_texts import nested_texts
from airflow_provider_s3dest.spec.sentinels import UNKNOWN, is_given

if TYPE_CHECKING:
    import jinja2


def literal_faults(
    arguments: LoadArguments,
    templated: Mapping[str, Any],
    as_written: Collection[str],
    environment_of: Callable[[], jinja2.Environment],
) -> list[Fault]:
    """Find what is wrong with the literals among the arguments; the rest is checked when the task starts.

    :param templated: the arguments that are rendered, as they were given.
    :param as_written: names of fields of the spec that are arguments by themselves and are not rendered.
    :param environment_of: gives the environment that will render.
    """
    fields, spec = arguments.fields, templated["spec"]
    rendered = {name: value for name, value in fields.items() if name not in as_written}
    unknown = {name for name, value in templated.items() if not _is_literal(value)}
    unknown |= {name for name, value in rendered.items() if not _is_literal(value)}
    # A text that is no destination as it stands may be one once Jinja is rendered in it.
    comes_later = "spec" in unknown and not isinstance(spec, Mapping) and UNKNOWN in fields.values()
    found = [] if comes_later else list(arguments.found)
    tables = arguments.records
    if type(tables) is dict and "records" in unknown:
        unknown.remove("records")
        of_run = {table for table, own in templated["records"].items() if not _is_literal(own)}
        unknown |= {f"records.{table}" for table in of_run}
        tables = {table: own for table, own in tables.items() if table not in of_run}
    if arguments.s3_destination_conn_id is not None or "spec" in unknown:
        unknown |= SpecFields.model_fields.keys() - fields.keys()
    texts = [(name, text) for name, text in _texts(templated, rendered) if path_template.has_jinja(text)]
    environment = environment_of() if texts else None
    unreadable = [fault for name, text in texts if (fault := syntax_fault(text, name, environment))]
    unknown |= {fault.key for fault in unreadable}
    faults = [*found, *unreadable]
    for name, text in texts:
        faults += path_template.misuses(text, name, environment)
    path = fields.get("path")
    if "path" in unknown and isinstance(path, str):
        faults += path_template.faults(path, jinja=True)
    if "quarantine_path" in unknown and isinstance(arguments.quarantine_path, str):
        aside = path_template.faults(arguments.quarantine_path, jinja=True)
        faults += [replace(fault, key="quarantine_path") for fault in aside]
    faults += replace(arguments, found=()).faults(unknown)
    if "records" not in unknown and arguments.on_bad_record != "quarantine" and is_given(tables):
        # It needs what reads and encodes records, which the DAGs of other inputs need not wait for.
        from airflow_provider_s3dest.operators.literal_records import literal_record_faults

        columns_known = "columns" not in unknown and all(fault.key != "columns" for fault in faults)
        faults += literal_record_faults(tables, arguments.table, arguments.columns if columns_known else ())
    return list(dict.fromkeys(faults))


def _is_literal(value: Any) -> bool:
    """Say whether the DAG file alone tells a value: it holds no reference and no Jinja."""
    if isinstance(value, str):
        return not path_template.has_jinja(value)
    if isinstance(value, Mapping):
        return all(map(_is_literal, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_literal, value))
    return not is_reference(value)


def _texts(templated: Mapping[str, Any], fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give the texts that are rendered, each with the name of its argument or field."""
    values = {name: value for name, value in templated.items() if name != "records"}
    if isinstance(values["spec"], Mapping) or UNKNOWN not in fields.values():
        del values["spec"]  # told by field
        values = {**values, **fields}
    texts = [(name, text) for name, value in values.items() for _, text in nested_texts(value)]
    return texts + [("records", text) for text in jinja_in(release(templated["records"]))]
