"""What a destination is: its fields, the rules between them, the path template, documents of CloudQuery."""

from airflow_provider_s3dest.spec.destination import DestinationSpec

__all__ = ["DestinationSpec"]
