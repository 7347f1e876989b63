"""Everything that any run needs, imported once by the process that all runs are forked from."""

from __future__ import annotations

import gc
import logging
from functools import cache

import airflow.providers.amazon.aws.hooks.s3
import awswrangler
import boto3
import botocore.session
import duckdb
import orjson
import pandas
import polars
import pyarrow.parquet

import airflow_provider_s3dest.hooks.s3_destination
import bench.contenders

__all__ = [
    "airflow",
    "airflow_provider_s3dest",
    "awswrangler",
    "bench",
    "duckdb",
    "orjson",
    "pandas",
    "polars",
    "pyarrow",
]

for name in ("airflow_provider_s3dest", "botocore"):
    logging.getLogger(name).setLevel(logging.WARNING)
# botocore would read its description of S3 anew in every run.
botocore.session.create_loader = cache(botocore.session.create_loader)
boto3.session.Session().client("s3", region_name="us-east-1")

# Else some runs, and others not, would hold one look of the garbage collector through all that is imported here, which
# takes 0.2 s.
gc.collect()
gc.freeze()
