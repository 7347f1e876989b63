"""The page on troubleshooting quotes what the sources say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_s3dest.records.table import STREAM_WINDOW

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = [one for line in re.findall(r"^`(.+)`\n: ", PAGE, re.MULTILINE) for one in line.split("`, `")]


@pytest.fixture(scope="module")
def sources() -> str:
    """All that the sources spell out, with double braces of f-strings as they come out."""
    files = sorted((ROOT / "airflow_provider_s3dest").rglob("*.py"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    joined = re.sub(r'"\n\s*f?"', "", text)  # a message that stands on two lines
    return joined.replace("{STREAM_WINDOW:,}", f"{STREAM_WINDOW:,}").replace("{{{{", "{{").replace("}}}}", "}}")


@pytest.mark.parametrize("message", QUOTED)
def test_every_message_of_the_page_is_one_of_the_sources(message: str, sources: str) -> None:
    for part in message.split("…"):
        assert part.strip() in sources


def test_the_page_quotes_messages() -> None:
    assert len(QUOTED) > 15
