"""Tells Airflow what this provider brings; a literal, since an error here would break every other provider too."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Give the provider's metadata, after Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-s3dest",
        "name": "S3 Destination",
        "description": "Delivers the records of a task to S3 as CSV or JSON objects, each record exactly once.",
        "integrations": [
            {
                "integration-name": "S3 Destination",
                "external-doc-url": "https://docs.aws.amazon.com/s3/",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": "S3 Destination",
                "python-modules": ["airflow_provider_s3dest.operators.s3_destination"],
            }
        ],
        "hooks": [
            {
                "integration-name": "S3 Destination",
                "python-modules": ["airflow_provider_s3dest.hooks.s3_destination"],
            }
        ],
        "task-decorators": [
            {
                "class-name": "airflow_provider_s3dest.decorators.s3_destination.s3_destination_task",
                "name": "s3_destination",
            }
        ],
        "connection-types": [
            {
                "hook-class-name": "airflow_provider_s3dest.hooks.s3_destination.S3DestinationHook",
                "connection-type": "s3_destination",
            }
        ],
    }
