"""Texts that quote data: no control character and no credential of a URL gets through."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import airflow_provider_s3dest
from airflow_provider_s3dest.errors import (
    BadRecordsError,
    Fault,
    Place,
    RecordError,
    S3DestinationError,
    SpecError,
    StagingError,
    StoreError,
)
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.report import LoadReport, TableReport
from airflow_provider_s3dest.safe_text import safe_logger, shown, without_credentials

HOSTILE = "a\nb\r\x1b[31mc\x00\x85\x9b\u2028\u2029\u202e\u2066\u061cd\ud800"
ESCAPED = r"a\nb\r\x1b[31mc\x00\x85\x9b\u2028\u2029\u202e\u2066\u061cd\ud800"


def test_control_characters_are_escaped_once() -> None:
    assert shown(HOSTILE) == ESCAPED
    assert shown(shown(HOSTILE)) == ESCAPED
    assert shown("größe, 数, 👩\u200d🚀 C:\\data") == "größe, 数, 👩\u200d🚀 C:\\data"


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("s3://key:SECRET@lake/a.csv", "s3://***@lake/a.csv"),
        ("s3://key:SEC/RE/T@lake/a.csv", "s3://***@lake/a.csv"),
        ("s3://key%3ASECRET@lake/a.csv", "s3://***@lake/a.csv"),
        ("s3://key%3ASECRET%40lake/a.csv", "s3://***@lake/a.csv"),
        ("'S3://key:SECRET@lake/a' and 'ftp://u:SECRET@h:21/'", "'S3://***@lake/a' and 'ftp://***@h:21/'"),
        ("https://SECRET@host:9000/x", "https://***@host:9000/x"),
        ("https://u:SEC@RET@host", "https://***@host"),
        ("https://h/k?X-Amz-Signature=SECRET&a=b, then", "https://h/k?*** then"),
        ("abfs://c@a.dfs.core.windows.net/x.csv?sv=1&sig=SECRET", "abfs://c@a.dfs.core.windows.net/x.csv?sv=1&***"),
        ("gs://conn@bucket/a@b.csv", "gs://conn@bucket/a@b.csv"),
        ("s3://lake/a@b:c.csv", "s3://lake/a@b:c.csv"),
        ("s3://lake/day=?/run?.csv", "s3://lake/day=?/run?.csv"),
        ("s3://arn:aws:s3:eu-west-1:1:accesspoint/a/x@y", "s3://arn:aws:s3:eu-west-1:1:accesspoint/a/x@y"),
        ("http://127.0.0.1:9000/a@b", "http://127.0.0.1:9000/a@b"),
        ("me@example.com", "me@example.com"),
    ],
)
def test_credentials_are_taken_out_of_urls_and_nothing_else_is(text: str, public: str) -> None:
    assert without_credentials(text) == public
    assert without_credentials(public) == public


@pytest.mark.parametrize("text", ["a" * 200_000, "a://" * 50_000, "s3://" + "?a" * 100_000, "x://:" + "@" * 200_000])
def test_a_long_text_is_shown_in_linear_time(text: str) -> None:
    # An expression that looks for the beginning at each character would take minutes.
    assert len(shown(text)) <= len(text)


@pytest.mark.parametrize(
    "error",
    [
        S3DestinationError(HOSTILE),
        StagingError(HOSTILE),
        StoreError(HOSTILE, final=True),
        BadRecordsError("many:", [HOSTILE]),
        SpecError([Fault("table", HOSTILE, HOSTILE)], HOSTILE),
        SpecError([Fault(HOSTILE, "is", "a")] * 2, HOSTILE),
        RecordError(HOSTILE, HOSTILE, table=HOSTILE, place=Place(file=HOSTILE, line=1), column=HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_shows_what_it_quotes_escaped(error: S3DestinationError) -> None:
    assert ESCAPED in str(error)
    assert all(shown(line) == line for line in str(error).split("\n"))


def test_every_error_is_without_credentials() -> None:
    text = "s3://key:SECRET@lake/a"

    assert "SECRET" not in str(StagingError(text))
    assert "SECRET" not in str(SpecError([Fault("staging_path", f"{text!r} is wrong.", "")]))


def test_log_lines_show_their_arguments_escaped(caplog: pytest.LogCaptureFixture) -> None:
    log = safe_logger("airflow_provider_s3dest.tests")
    safe_logger("airflow_provider_s3dest.tests")

    with caplog.at_level(logging.INFO):
        log.warning("%s of %s: %s, %.1f", HOSTILE, ["a\n"], ValueError("s3://key:SECRET@lake"), 1.25)

    assert [record.getMessage() for record in caplog.records] == [f"{ESCAPED} of ['a\\n']: s3://***@lake, 1.2"]


def test_the_lines_about_a_table_show_its_name_escaped(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress()
    progress.begin(HOSTILE)
    table = TableReport(1, 1, 1, ["a"], "raw/")
    other = TableReport(1, 1, 1, ["b"], "raw/")

    with caplog.at_level(logging.INFO):
        logging.getLogger("airflow_provider_s3dest.load.progress").info("%s", progress.line())
        progress.end(LoadReport(1, 1, 1, "lake", {HOSTILE: table}, []), "Wrote")
        LoadReport.merged([LoadReport(1, 1, 1, "lake", {HOSTILE: one}, []) for one in (table, other)])

    assert len(caplog.records) == 3
    assert all(ESCAPED in line and shown(line) == line for line in caplog.messages)


def test_every_logger_of_the_package_is_a_safe_one_and_no_message_is_made_before_it() -> None:
    for path in Path(airflow_provider_s3dest.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path.name == "safe_text.py" or "getLogger(__name__" not in text, path
        assert "log.info(f" not in text, path
        assert "log.warning(f" not in text, path
