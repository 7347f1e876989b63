"""Makes the many clients of a test run cheap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import botocore.session
import pytest


@contextmanager
def read_once() -> Iterator[None]:
    """Let botocore read its description of S3 once, not for each client anew, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(botocore.session.create_loader))
        yield
