"""Records that stand in the DAG file: encoded once while it is parsed, so that what can't be written shows there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, RecordError
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.records.chunks import PassthroughChunk
from airflow_provider_s3dest.sources.columns import table_of_list
from airflow_provider_s3dest.sources.input_kinds import is_arrow


def literal_record_faults(records: Any, table: Any, columns: Sequence[str] | None = None) -> Iterator[Fault]:
    """Encode literal records to find what can't be written: in each table, the first fault.

    :param columns: the columns that are written; None: all.
    """
    if isinstance(records, Mapping) and not is_arrow(records):
        for name, own in records.items():
            yield from literal_record_faults(own, name, columns)
    elif isinstance(records, (list, tuple)):
        try:
            opened = table_of_list(str(table), records, None)
            # What JSON has a form for, CSV has one for.
            encoder = JsonEncoder(opened.name, opened.columns if columns is None else tuple(columns))
            for chunk in opened.chunks:
                if not isinstance(chunk, PassthroughChunk):
                    encoder.encode(chunk)
        except RecordError as error:
            yield Fault("records", str(error), "")
