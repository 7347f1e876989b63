"""Airflow provider that delivers the records of a task to S3 as CSV or JSON objects, each record exactly once."""

__version__ = "0.1.0"
