"""Checks, while the DAG file is parsed, the arguments whose value is known by then: faults become import errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, RecordError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators.hidden_records import reveal
from airflow_provider_s3dest.operators.references import is_reference
from airflow_provider_s3dest.operators.rendering import jinja_texts
from airflow_provider_s3dest.records.many_records import is_frame
from airflow_provider_s3dest.sources.input_kinds import is_arrow
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.jinja import syntax_fault
from airflow_provider_s3dest.spec.nested_texts import nested_texts
from airflow_provider_s3dest.spec.rules import template_faults
from airflow_provider_s3dest.spec.sentinels import UNKNOWN, is_given

if TYPE_CHECKING:
    import jinja2


def parse_time_faults(
    arguments: LoadArguments,
    templated: Mapping[str, Any],
    environment_of: Callable[[], jinja2.Environment],
) -> list[Fault]:
    """Find what is wrong with the literals among the arguments; the rest is checked when the task starts.

    :param templated: the arguments in which Jinja is rendered, with their values in the DAG file.
    :param environment_of: returns the environment that will render.
    """
    fields, spec = arguments.fields, templated["spec"]
    unknown = {name for name, value in templated.items() if not _is_literal(value)}
    unknown |= {name for name, value in fields.items() if not _is_literal(value)}
    # A text that is no destination as it stands may be one once Jinja is rendered in it.
    comes_later = "spec" in unknown and not isinstance(spec, Mapping) and UNKNOWN in fields.values()
    faults = [] if comes_later else list(arguments.found)
    tables = arguments.records
    if type(tables) is dict and "records" in unknown:
        unknown.remove("records")
        of_run = {table for table, records in templated["records"].items() if not _is_literal(records)}
        unknown |= {f"records.{table}" for table in of_run}
        tables = {table: records for table, records in tables.items() if table not in of_run}
    if arguments.s3_destination_conn_id is not None or "spec" in unknown:
        unknown |= SpecFields.model_fields.keys() - fields.keys()
    texts = [(name, text) for name, text in _texts(templated, fields) if path_template.has_jinja(text)]
    environment = environment_of() if texts else None
    unreadable = [fault for name, text in texts if (fault := syntax_fault(text, name, environment))]
    unknown |= {fault.key for fault in unreadable}
    faults += unreadable
    for name, text in texts:
        faults += path_template.misuses(text, name, environment)
    path, quarantine_path = fields.get("path"), arguments.quarantine_path
    if "path" in unknown and isinstance(path, str):
        faults += template_faults(path, jinja=True)
    if "quarantine_path" in unknown and isinstance(quarantine_path, str):
        of_path = template_faults(quarantine_path, jinja=True)
        faults += [replace(fault, key="quarantine_path") for fault in of_path]
    faults += replace(arguments, found=()).faults(unknown)
    fails = "on_bad_record" not in unknown and arguments.on_bad_record != "quarantine"
    if "records" not in unknown and fails and is_given(tables):
        columns_known = "columns" not in unknown and all(fault.key != "columns" for fault in faults)
        faults += literal_record_faults(tables, arguments.table, arguments.columns if columns_known else ())
    return list(dict.fromkeys(faults))


def _is_literal(value: Any) -> bool:
    """Return whether the value is known while the DAG file is parsed: it holds no reference and no Jinja."""
    if isinstance(value, str):
        return not path_template.has_jinja(value)
    if isinstance(value, Mapping):
        return all(map(_is_literal, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_literal, value))
    return not is_reference(value)


def _texts(templated: Mapping[str, Any], fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the texts that are rendered, each with the name of its argument or field."""
    values = {name: value for name, value in templated.items() if name != "records"}
    if isinstance(values["spec"], Mapping) or UNKNOWN not in fields.values():
        del values["spec"]  # its texts are among the fields
        values = {**values, **fields}
    texts = [(name, text) for name, value in values.items() for _, text in nested_texts(value)]
    return texts + [("records", text) for text in jinja_texts(reveal(templated["records"]))]


def literal_record_faults(records: Any, table: Any, columns: Sequence[str] | None = None) -> Iterator[Fault]:
    """Encode literal records to find what can't be written: in each table, the first fault.

    :param columns: the columns that are written; None: all.
    """
    if isinstance(records, Mapping) and not is_arrow(records):
        for name, of_table in records.items():
            yield from literal_record_faults(of_table, name, columns)
    elif isinstance(records, (list, tuple)) and not (records and is_frame(records[0])):
        # Only DAGs with literal records wait for the modules that read and encode records.
        from airflow_provider_s3dest.formats.json import JsonEncoder
        from airflow_provider_s3dest.records.chunks import PassthroughChunk
        from airflow_provider_s3dest.sources.columns import table_of_list

        try:
            opened = table_of_list(str(table), records, None)
            # A value that has a form in JSON has one in CSV.
            encoder = JsonEncoder(opened.name, opened.columns if columns is None else tuple(columns))
            for chunk in opened.chunks:
                if not isinstance(chunk, PassthroughChunk):
                    encoder.encode(chunk)
        except RecordError as error:
            yield Fault("records", str(error), "")
