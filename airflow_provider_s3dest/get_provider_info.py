"""The metadata of this provider for Airflow; a literal, since an error here would break every other provider too."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-s3dest",
        "name": "S3 Destination",
        "description": "Delivers the records of a task to S3 as CSV, JSON or Parquet, each record exactly once.",
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
                "python-modules": [
                    "airflow_provider_s3dest.operators.s3_destination",
                    "airflow_provider_s3dest.operators.sql_to_s3_destination",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": "S3 Destination",
                "python-modules": ["airflow_provider_s3dest.hooks.s3_destination"],
            }
        ],
        "extra-links": [
            "airflow_provider_s3dest.operators.links.S3ConsoleLink",
            "airflow_provider_s3dest.operators.links.S3ManifestLink",
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
                "hook-name": "S3 Destination",
                "connection-type": "s3_destination",
                "conn-fields": {
                    "bucket": {
                        "label": "Bucket",
                        "description": "Name of the bucket, without s3:// and folders.",
                        "schema": {"type": ["string", "null"], "examples": ["my-bucket"]},
                    },
                    "path": {
                        "label": "Path",
                        "description": "Template of the objects' keys, such as raw/{{TABLE}}/{{UUID}}.{{FORMAT}}. "
                        "Jinja works in the operator's argument only.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": [
                                "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}",
                                "raw/{{TABLE}}/{{YEAR}}/{{MONTH}}/{{DAY}}/{{UUID}}.{{FORMAT}}",
                            ],
                        },
                    },
                    "format": {
                        "label": "Format",
                        "description": "csv, json (one JSON object a line) or parquet.",
                        "schema": {"type": ["string", "null"], "enum": ["csv", "json", "parquet"]},
                    },
                    "format_spec": {
                        "label": "Options of the format",
                        "description": 'JSON, such as {"delimiter": ";", "skip_header": true} for csv.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "compression": {
                        "label": "Compression",
                        "description": "csv, json: gzip, or empty for none; parquet: gzip, zstd, none; empty: snappy.",
                        "schema": {"type": ["string", "null"], "enum": ["gzip", "zstd", "snappy", "none"]},
                    },
                    "batch_size": {
                        "label": "Records in an object",
                        "description": "Maximum, at least 1; empty: 10,000.",
                        "schema": {"type": ["integer", "null"]},
                    },
                    "batch_size_bytes": {
                        "label": "Bytes of an object",
                        "description": "Maximum before compression, at least 1; empty: 5 MiB.",
                        "schema": {"type": ["integer", "null"]},
                    },
                    "no_rotate": {
                        "label": "One object per table",
                        "description": "No batches: one object per table and task instance.",
                        "schema": {"type": ["boolean", "null"]},
                    },
                    "aws_conn_id": {
                        "label": "AWS connection",
                        "description": "Id of the connection that holds credentials, endpoint and region; "
                        "empty: aws_default.",
                        "schema": {"type": ["string", "null"], "examples": ["aws_default"]},
                    },
                    "console_url": {
                        "label": "URL of the console",
                        "description": "Console of a store that is not AWS, for the links of tasks; "
                        "{bucket} and {prefix} are filled in.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["https://minio.example.com/browser/{bucket}/{prefix}"],
                        },
                    },
                    "region": {
                        "label": "Region",
                        "description": "Region of the bucket; empty: the region of the AWS connection.",
                        "schema": {"type": ["string", "null"], "examples": ["eu-central-1", "us-east-1"]},
                    },
                    "storage_class": {
                        "label": "Storage class",
                        "description": "Such as STANDARD_IA; empty: the default of the bucket.",
                        "schema": {
                            "type": ["string", "null"],
                            "examples": ["STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"],
                        },
                    },
                    "server_side_encryption_configuration": {
                        "label": "Encryption",
                        "description": 'JSON, such as {"server_side_encryption": "aws:kms", "sse_kms_key_id": "..."}.',
                        "schema": {"type": ["object", "null"]},
                    },
                    "tags": {
                        "label": "Tags",
                        "description": 'JSON, such as {"team": "data"}; every object gets them.',
                        "schema": {"type": ["object", "null"]},
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["host", "schema", "login", "password", "port"],
                    "relabeling": {"extra": "All fields of the destination spec, as JSON"},
                    "placeholders": {
                        "extra": '{"content_type": "text/csv; header=present"}',
                        "bucket": "my-bucket",
                        "path": "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}",
                        "format": "json",
                        "format_spec": '{"delimiter": ";"}',
                        "compression": "gzip",
                        "batch_size": "10000",
                        "batch_size_bytes": "5242880",
                        "aws_conn_id": "aws_default",
                        "console_url": "https://minio.example.com/browser/{bucket}/{prefix}",
                        "region": "eu-central-1",
                        "storage_class": "STANDARD_IA",
                        "server_side_encryption_configuration": '{"server_side_encryption": "AES256"}',
                        "tags": '{"team": "data"}',
                    },
                },
            }
        ],
    }
