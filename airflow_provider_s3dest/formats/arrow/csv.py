"""Encodes Arrow data as CSV, to the same bytes as :mod:`airflow_provider_s3dest.formats.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_s3dest.formats.arrow import text as arrow_text
from airflow_provider_s3dest.formats.arrow.json import is_composed, json_text
from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.values import values_of
from airflow_provider_s3dest.records.values import csv_text, csv_texts

_UNQUOTED_CHARACTERS = frozenset("0123456789+-.:TeEaflrstuNIinfty")
"""Characters of numbers, bools, dates and times. If none is the delimiter, these values never need quotes."""


class ArrowCsv:
    """Encodes the Arrow chunks of one table as CSV.

    :param columns: the columns, in order.
    :param delimiter: one character.
    """

    def __init__(self, columns: tuple[str, ...], delimiter: str) -> None:
        self._columns, self._delimiter = columns, delimiter
        self._null = '""' if len(columns) == 1 else ""  # readers skip blank lines
        self._special = [character.encode() for character in (delimiter, '"', "\n", "\r", "\ufeff")]

    def encode(self, chunk: ArrowChunk) -> Encoded:
        """Encode the records of a chunk.

        :raises Exception: if a value can't be written, or needs another way.
        """
        fields = [self._fields(chunk, name) for name in self._columns]
        last = arrow_text.joined([fields.pop(), "\n"], "", self._null)
        return arrow_text.encoded_array(arrow_text.joined([*fields, last], self._delimiter, self._null))

    def _fields(self, chunk: ArrowChunk, name: str) -> Any:
        """Format a column as fields, quoted where needed; null stays null."""
        array = chunk.array(name)
        if array is None:
            return self._by_values(chunk.column(name))
        values, indices = arrow_text.distinct(array)
        fields = self._formatted(values)
        return fields if indices is None else fields.take(indices)

    def _formatted(self, array: Any) -> Any:
        arrow_type = array.type
        if is_composed(arrow_type):
            return self._quoted(json_text(array))
        texts = arrow_text.plain_text(array)
        if texts is None:
            texts = arrow_text.float_text(array)
            if texts is None:
                return self._by_values(values_of(array))
            # Unlike JSON, CSV has NaN and infinities.
            odd = pa.array(~arrow_text.finite(array))
            if pc.any(odd).as_py():
                odd_texts = [csv_text(value) for value in array.filter(odd).to_pylist()]
                texts = pc.replace_with_mask(texts, odd, pa.array(odd_texts, pa.string()))
        is_plain = not arrow_text.is_text(arrow_type) and self._delimiter not in _UNQUOTED_CHARACTERS
        return texts if is_plain else self._quoted(texts)

    def _by_values(self, values: Sequence[Any]) -> Any:
        return self._quoted(pa.array(csv_texts(values, set(map(type, values))), pa.string()))

    def _quoted(self, texts: Any) -> Any:
        """Put quotes around the texts that need them."""
        data, bounds = arrow_text.content(texts), arrow_text.offsets(texts)
        # The bytes of all texts are searched at once. The first byte alone is found faster, and mostly is not there.
        present = [special for special in self._special if special[0] in data and special in data]
        needs_quotes = bounds[1:] == bounds[:-1]  # empty texts: without quotes they would be null
        for special in present:
            needs_quotes[arrow_text.indices_with(data, special, bounds)] = True
        if not needs_quotes.any():
            return texts
        mask = pc.and_(pa.array(needs_quotes), texts.is_valid())
        quoted = texts.filter(mask)
        if b'"' in present:
            quoted = pc.replace_substring(quoted, '"', '""')
        return pc.replace_with_mask(texts, mask, pc.binary_join_element_wise('"', quoted, '"', ""))
