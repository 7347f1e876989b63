"""Says why this checkout can not be released yet; ``make release`` runs it before it builds."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from hatchling.metadata.core import load_toml

from airflow_provider_s3dest import __version__

ROOT = Path(__file__).parent


def refusals(owner: Mapping[str, object], changelog: str, version: str, tag: str) -> list[str]:
    """Return all reasons against a release; ``tag`` is empty where no tag started it."""
    found = []
    if empty := [key for key, value in owner.items() if not value]:
        found.append(f"owner.toml: these keys are empty: {', '.join(empty)}. The owner of the project fills them in.")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        found.append(
            f"CHANGELOG.md: version {version} has no heading. Write '## [{version}] - ' with the date of the release, "
            "above what [Unreleased] lists now."
        )
    if tag and tag != f"v{version}":
        found.append(
            f"The tag {tag} does not fit version {version} of airflow_provider_s3dest/__init__.py. "
            f"Tag this commit as v{version}, or change the version."
        )
    return found


if __name__ == "__main__":
    reasons = refusals(
        load_toml(str(ROOT / "owner.toml")),
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        __version__,
        os.environ.get("TAG", ""),
    )
    if reasons:
        sys.exit("\n  - ".join(["Not ready for a release:", *reasons]))
