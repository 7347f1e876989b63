"""Imports pyarrow, and says what to install where it is missing."""

from __future__ import annotations

from typing import Any

from airflow_provider_s3dest.errors import MissingExtraError


def import_pyarrow() -> Any:
    """Import pyarrow, which the base installation does not bring.

    Every function that needs pyarrow calls this by itself: whoever loads neither Parquet nor Arrow data never waits for
    the import.

    :raises MissingExtraError: if pyarrow is not installed.
    """
    try:
        # pyarrow can be installed without numpy, which the encoders of Arrow data need.
        import numpy  # noqa: F401
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
    except ImportError as error:
        raise MissingExtraError(
            "Parquet, Arrow and data frames need pyarrow: pip install 'airflow-provider-s3dest[arrow]'."
        ) from error
    return pyarrow
