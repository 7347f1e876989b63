"""Parquet and Arrow IPC files: every type is read back, and damaged files are refused by name."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pyarrow.parquet
import pyarrow.parquet.encryption
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError, StagingError
from tests.unit.records.arrow.test_values import CASES, array_of
from tests.unit.tables import put, staged_rows, staged_table, written


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pa.parquet.write_table(table, out, row_group_size=40)
    return out.getvalue()


def arrow_file(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)
    return out.getvalue()


def arrow_stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)
    return out.getvalue()


FILES: dict[str, tuple[str, Callable[[pa.Table], bytes]]] = {
    "parquet": ("x.parquet", parquet),
    "arrow file": ("x.arrow", arrow_file),
    "feather": ("x.feather", arrow_file),
    "arrow stream": ("x.arrows", arrow_stream),
    "ipc stream": ("x.ipc", arrow_stream),
    "stream named arrow": ("x.arrow", arrow_stream),
}
NOT_IN_PARQUET = (
    pa.list_view(pa.float32()),
    pa.large_list_view(pa.float32()),
    pa.struct([]),
    pa.decimal128(5, -2),
    pa.list_(pa.float32(), 2),  # pyarrow 25, the last for Python 3.10, can't read one with nulls
)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_texts_of_every_encoding_are_read_though_they_repeat(encoding: str, tmp_path: Path) -> None:
    table = pa.table({"a": ["x", "x", None, "y"] * 500, "b": pa.array([b"x", b"x", None, b"y"] * 500)})
    out = io.BytesIO()
    pa.parquet.write_table(table, out, use_dictionary=False, column_encoding=encoding)
    put(tmp_path / "x.parquet", out.getvalue())
    rows = staged_rows(tmp_path / "x.parquet")
    assert rows == table.to_pylist()


_READ_DAMAGED = """
import io, sys
from airflow_provider_s3dest.errors import S3DestinationError
from airflow_provider_s3dest.sources.arrow_file import ArrowFile
from airflow_provider_s3dest.sources.source_file import SourceFile

data = sys.stdin.buffer.read()
refused = 0
for place in range(len(data) - 8 - int.from_bytes(data[-8:-4], "little"), len(data) - 8):
    damaged = data[:place] + bytes([data[place] ^ 16]) + data[place + 1:]
    try:
        for chunk in ArrowFile(io.BytesIO(damaged), SourceFile("t", "x.parquet"), is_parquet=True).chunks():
            pass
    except (S3DestinationError, MemoryError):
        refused += 1
print(refused)
"""


def test_no_damage_of_a_footer_ends_the_process() -> None:
    """Size statistics are among what is damaged: parquet-cpp checks them where pyarrow does not catch its error."""
    table = pa.table({"id": [1, 2], "text": ["a", "b"], "list": [[1], [2, 3]]})

    done = subprocess.run([sys.executable, "-c", _READ_DAMAGED], input=parquet(table), capture_output=True, check=True)

    assert int(done.stdout) > 100


class _Keys(pyarrow.parquet.encryption.KmsClient):  # type: ignore[misc]
    def wrap_key(self, key: bytes, _: str) -> bytes:
        return b64encode(key)


def _encrypted(**options: Any) -> bytes:
    """Write the columns a, b and c to a Parquet file with encryption."""
    encryption = pyarrow.parquet.encryption
    properties = encryption.CryptoFactory(lambda _: _Keys()).file_encryption_properties(
        encryption.KmsConnectionConfig(), encryption.EncryptionConfiguration(footer_key="footer", **options)
    )
    table, out = pa.table({"a": [1, 2], "b": ["x", "y"], "c": ["x", "y"]}), io.BytesIO()
    with pa.parquet.ParquetWriter(out, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return out.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"column_keys": {"key": ["b"]}, "plaintext_footer": True},
        {"column_keys": {"key": ["b"]}},
        {"uniform_encryption": True},
    ],
    ids=["plain footer", "columns and footer", "all"],
)
def test_an_encrypted_file_is_refused_and_does_not_end_the_process(options: dict[str, Any], tmp_path: Path) -> None:
    put(tmp_path / "x.parquet", _encrypted(**options))
    # In a process of its own, which pyarrow used to end.
    load = (
        "import sys; from pathlib import Path; from tests.unit.tables import staged_rows\n"
        "try: staged_rows(Path(sys.argv[1]))\n"
        "except Exception as error: print(f'{type(error).__name__}: {error}')"
    )
    run = subprocess.run(
        [sys.executable, "-c", load, str(tmp_path / "x.parquet")], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert re.match(r"StagingError: .*x.parquet can't be read: .*It is encrypted, and the load has no keys", run.stdout)


def test_the_columns_that_are_not_encrypted_are_read(tmp_path: Path) -> None:
    put(tmp_path / "x.parquet", _encrypted(column_keys={"key": ["b"]}, plaintext_footer=True))
    assert staged_rows(tmp_path / "x.parquet", columns=("a", "c")) == [{"a": 1, "c": "x"}, {"a": 2, "c": "y"}]


@pytest.mark.parametrize("table", [pa.table({"caf?": [1]}), pa.table({"a": [{"caf?": 1}]})], ids=["column", "field"])
def test_a_name_that_is_no_utf8_is_refused(table: pa.Table, tmp_path: Path) -> None:
    put(tmp_path / "x.arrow", arrow_file(table).replace(b"caf?", b"caf\xe9"))
    with pytest.raises(
        SpecError, match=r"x.arrow has a column or a field whose name is no UTF-8: b'caf.xe9'. Rename it"
    ):
        staged_rows(tmp_path / "x.arrow")


def test_a_type_that_pyarrow_has_no_class_for_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # pyarrow reads files with intervals of months, and can't make one.
    monkeypatch.setattr("airflow_provider_s3dest.sources.arrow_stream._WITHOUT_CLASS", ("duration[s]",))
    put(tmp_path / "x.arrow", arrow_file(pa.table({"a": pa.array([[1]], pa.list_(pa.duration("s")))})))
    with pytest.raises(SpecError, match=r"x.arrow: a column is a duration\[s\], which pyarrow can't read. Cast"):
        staged_rows(tmp_path / "x.arrow")


@pytest.mark.parametrize(("name", "write"), FILES.values(), ids=list(FILES))
class TestFiles:
    def test_every_type_reads_back(self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path) -> None:
        for number, (kind, values, expected) in enumerate(CASES):
            if write is parquet and kind in NOT_IN_PARQUET:
                continue
            path = put(tmp_path / str(number) / name, write(pa.table({"x": array_of(kind, values)})))
            rows = [row["x"] for row in staged_rows(path)]
            if write is parquet and pa.types.is_timestamp(kind) and kind.unit == "s":
                assert rows == (expected or values)
            else:
                assert repr(rows) == repr(expected or values), kind

    def test_file_of_no_rows_has_its_columns(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        put(tmp_path / f"1{name}", write(pa.table({"b": pa.array([], pa.int8()), "a": pa.array([], pa.int8())})))
        put(tmp_path / "2.csv", "c\n1\n")
        assert list(staged_rows(tmp_path)[0]) == ["b", "a", "c"]

    def test_file_that_is_cut_off_anywhere_is_refused_by_name(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        content = write(pa.table({"a": list(range(100)), "b": ["text"] * 100}))
        for size in range(0, len(content), 8):  # messages of a stream end at multiples of 8
            path = put(tmp_path / name, content[:size])
            with pytest.raises(StagingError, match="Stage it again, whole") as refused:
                staged_rows(path)
            assert str(path) in str(refused.value)

    def test_damage_to_the_structure_never_shows_as_another_error(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        content = write(pa.table({"a": list(range(100)), "b": ["text"] * 100}))
        refused = []
        for position in range(0, len(content), 7):
            damaged = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
            path = put(tmp_path / name, damaged)
            try:
                staged_rows(path)
            except (StagingError, RecordError) as error:
                refused.append(str(error))
        assert refused
        assert all(str(path) in error for error in refused)

    def test_value_that_has_no_exact_form_is_named_by_its_row(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        moments = pa.array([0] * 50 + [10**17], pa.int64()).cast(pa.timestamp("ms"))
        path = put(tmp_path / name, write(pa.table({"x": moments})))
        with pytest.raises(RecordError, match=f"{name}, row 51, column 'x'") as refused:
            staged_rows(path)
        assert (refused.value.file, refused.value.line) == (str(path), 51)


def test_anything_after_the_end_of_a_stream_is_refused(tmp_path: Path) -> None:
    content = arrow_stream(pa.table({"a": [1]}))
    with pytest.raises(StagingError, match="after the end of the stream"):
        staged_rows(put(tmp_path / "x.arrows", content + content))


def test_damage_to_the_values_of_a_file_that_has_checksums_is_refused(tmp_path: Path) -> None:
    table = pa.table({"a": [f"text {number}" for number in range(200)]})
    for codec in ("snappy", "zstd", "gzip", "none"):
        out = io.BytesIO()
        pa.parquet.write_table(table, out, compression=codec, use_dictionary=False, write_page_checksum=True)
        content, refused = out.getvalue(), 0
        for position in range(4, len(content) - 8, 61):
            damaged = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
            try:
                assert staged_rows(put(tmp_path / "x.parquet", damaged)) == table.to_pylist()
            except StagingError:
                refused += 1
        assert refused


def test_column_named_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "x.arrow", arrow_file(pa.table([[1], [2]], names=["a", "a"])))
    with pytest.raises(SpecError, match=r"x\.arrow has the columns \['a'\] twice"):
        staged_rows(path)


def test_index_that_pandas_stored_as_a_column_is_kept(tmp_path: Path) -> None:
    pandas.DataFrame({"a": [1]}).set_axis(["x"]).to_parquet(tmp_path / "x.parquet")
    assert staged_rows(tmp_path) == [{"a": 1, "__index_level_0__": "x"}]


@pytest.mark.parametrize("file_format", ["arrow", "parquet"])
def test_time_outside_of_a_day_is_refused_with_its_record(tmp_path: Path, file_format: str) -> None:
    table = pa.table({"a": pa.array([1, 86_400_000_000], pa.time64("us"))})
    path = tmp_path / f"t.{file_format}"
    if file_format == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(RecordError, match=r"row 2, column 'a': .* 86400000000 us is no time"):
        written(staged_table(path), "json")
