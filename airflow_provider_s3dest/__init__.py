"""Airflow provider that delivers the records of a task to S3 as CSV, JSON or Parquet, each record exactly once."""

__version__ = "0.1.0"
