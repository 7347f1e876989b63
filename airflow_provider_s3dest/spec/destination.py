"""The destination spec: where a load writes to, in which format, and how it is cut into objects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ConfigDict

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.spec import cloudquery, path_template
from airflow_provider_s3dest.spec.fields import BATCH_LIMITS, NULLABLE, UNUSED, CsvOptions, ParquetOptions, SpecFields
from airflow_provider_s3dest.spec.rules import faults
from airflow_provider_s3dest.spec.sentinels import UNKNOWN
from airflow_provider_s3dest.spec.typed_texts import typed_field

SENT_ALONG = ("acl", "server_side_encryption_configuration", "tags", "metadata", "storage_class")
"""Fields that are sent to S3 with every object, whatever it holds."""

_CONTENT_TYPES = {"csv": "text/csv", "json": "application/json", "parquet": "application/vnd.apache.parquet"}


class DestinationSpec(SpecFields):
    """Where a load writes to, in which format, and how it is cut into objects: validated and immutable.

    :raises SpecError: on construction, with all faults at once.

    Example::

        >>> spec = DestinationSpec(bucket="lake", path="raw/{{TABLE}}/{{UUID}}.{{FORMAT}}", format="json")
        >>> spec.batch_size, spec.batch_size_bytes
        (10000, 5242880)
    """

    model_config = ConfigDict(title="S3 destination spec")

    def __init__(self, /, **fields: Any) -> None:
        all_faults = list(faults(fields))
        if all_faults:
            raise SpecError(all_faults, "destination spec")
        for key, reason in UNUSED.items():
            if fields.get(key) is not None:
                warnings.warn(f"`{key}` is accepted and not used: {reason}.", UserWarning, stacklevel=2)
        if "root_repetition" in (fields.get("format_spec") or {}):
            note = "`format_spec.root_repetition` is accepted and not used: no reader looks at it."
            warnings.warn(note, UserWarning, stacklevel=2)
        super().__init__(**{key: value for key, value in fields.items() if value is not None})

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | str) -> DestinationSpec:
        """Build a spec from a CloudQuery document, a mapping or its YAML text.

        :param document: the whole document (``kind: destination``), its ``spec`` part, or the innermost part.
        :raises SpecError: with all faults of the document and of the spec in it.
        """
        fields, document_faults = _fields_of_document(document)
        if document_faults:
            raise SpecError([*document_faults, *faults(fields)], "destination spec")
        return cls(**fields)

    @classmethod
    def from_file(cls, path: str | Path) -> DestinationSpec:
        """Build a spec from a YAML or JSON file; see :meth:`from_document`.

        :raises SpecError: with all faults, or if the file can't be read.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
            raise SpecError(
                [Fault("spec", f"the file {str(path)!r} can't be read: {error}.", "Check path and rights.")]
            ) from error
        return cls.from_document(text)

    def given(self) -> dict[str, Any]:
        """Return the fields that were set, without the defaults."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @property
    def file_format(self) -> str:
        """The text of ``{{FORMAT}}``: ``csv``, ``json``, ``csv.gz``, ``json.gz``, ``parquet``."""
        return self.format + (".gz" if self.file_compression else "")

    @property
    def file_compression(self) -> str:
        """The compression of a whole object: ``gzip`` or none; Parquet is compressed page by page."""
        return "" if self.format == "parquet" else self.compression

    @property
    def parquet(self) -> ParquetOptions:
        """The options of Parquet."""
        return ParquetOptions(**self.format_spec)

    @property
    def partition_fields(self) -> tuple[str, ...]:
        """The columns whose values are part of the keys, in order."""
        return path_template.fields_in(self.path)

    @property
    def csv(self) -> CsvOptions:
        """The options of CSV."""
        return CsvOptions(**self.format_spec)

    @property
    def put_arguments(self) -> dict[str, Any]:
        """Arguments of boto3's ``put_object`` and ``create_multipart_upload`` that are the same for every object."""
        encryption = self.server_side_encryption_configuration
        # AWS refuses a key id beside AES256, although CloudQuery's spec demands one.
        key_id = encryption.sse_kms_key_id if encryption and encryption.server_side_encryption != "AES256" else ""
        arguments = {
            "ContentType": self.content_type
            or ("application/gzip" if self.file_compression else _CONTENT_TYPES[self.format]),
            "ACL": self.acl,
            "ServerSideEncryption": encryption.server_side_encryption if encryption else "",
            "SSEKMSKeyId": key_id,
            "Tagging": "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in self.tags.items()),
            "Metadata": self.metadata,
            "StorageClass": self.storage_class,
        }
        return {name: value for name, value in arguments.items() if value}


# XComs, and users' lists of classes that may be deserialized, store the module's name: it stays the public one.
DestinationSpec.__module__ = "airflow_provider_s3dest.spec"


def _fields_of_document(document: Mapping[str, Any] | str) -> tuple[dict[str, Any], list[Fault]]:
    """Return the fields in a document of any form, not checked yet, and the faults of the document around them."""
    try:
        mapping: Any = cloudquery.parse_yaml(document) if isinstance(document, str) else document
    except SpecError as error:
        return dict.fromkeys(SpecFields.model_fields, UNKNOWN), list(error.faults)
    if not isinstance(mapping, Mapping):
        fault = Fault("spec", f"is {type(mapping).__name__}.", "Give a DestinationSpec, a mapping or YAML text.")
        return dict.fromkeys(SpecFields.model_fields, UNKNOWN), [fault]
    fields, document_faults, notes = cloudquery.unwrap(mapping)
    for note in notes if not document_faults else ():
        warnings.warn(note, UserWarning, stacklevel=3)
    return fields, document_faults


def spec_fields_of(spec: Any) -> tuple[dict[str, Any], list[Fault]]:
    """Return the fields that a ``spec`` argument sets, not checked yet, and the faults of the argument itself.

    Fields whose value can't be read are ``UNKNOWN``.
    """
    if spec is None:
        return {}, []
    if isinstance(spec, DestinationSpec):
        return spec.given(), []
    return _fields_of_document(spec)


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the fields of several sources; the first source that sets a field wins.

    Texts that stand for numbers and truth values are converted, since Jinja gives texts. If a source sets
    ``no_rotate``, the batch limits of later sources are ignored, since the two exclude each other.
    """
    fields: dict[str, Any] = {}
    for layer in layers:
        one_object = fields.get("no_rotate") is True
        for key, value in layer.items():
            if value is None and key in NULLABLE:
                continue
            if key in BATCH_LIMITS and one_object:
                continue
            fields.setdefault(key, typed_field(key, value))
    return fields
