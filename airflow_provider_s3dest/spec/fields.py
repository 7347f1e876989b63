"""The fields of the destination spec: types, defaults, descriptions, and rules about one field that pydantic checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from airflow_provider_s3dest.spec.limits import MAX_PART_SIZE, MIN_PART_SIZE

NULLABLE = ("batch_size", "batch_size_bytes", "batch_timeout", "format_spec")
"""Fields for which ``null`` means not given, as in CloudQuery."""

BATCH_LIMITS = ("batch_size", "batch_size_bytes", "batch_timeout")
"""Fields that say where a table is cut into objects: they exclude ``no_rotate``, which makes one object."""

REFUSED: Mapping[str, str] = {
    "endpoint": "Set `endpoint_url` in the extra of the AWS connection.",
    "credentials": "Set login and password, or `role_arn` in the extra, of the AWS connection.",
    "local_profile": "Set `profile_name` in the extra of the AWS connection.",
    "aws_debug": "Set the level of the logger `botocore` in Airflow's logging configuration.",
}
"""Fields of CloudQuery's spec that belong in the AWS connection, and where they go there."""

UNUSED: Mapping[str, str] = {
    "batch_timeout": "cuts must not depend on the clock, or a retry would cut elsewhere",
    "max_backoff": "botocore fixes its own backoff",
    "test_write": "the test of the connection does the test write",
}
"""Fields of CloudQuery's spec that are accepted and not used, and why."""

CANNED_ACLS = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
"""Canned ACLs of objects (Amazon S3 User Guide, "Access control list overview")."""


class FrozenDict(dict[str, Any]):
    """A dict that raises a TypeError if anybody tries to change it; a spec is shared, and never copied."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("A destination spec can't be changed; build another one.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: Any) -> FrozenDict:
        return self

    def __reduce__(self) -> Any:
        # Pickle would fill an empty dict item by item, which is refused.
        return FrozenDict, (dict(self),)


class CsvOptions(BaseModel):
    """``format_spec`` of CSV."""

    # ``defer_build``: DAG files import this module, and most of them use few of its models.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    delimiter: Annotated[
        str, Field(min_length=1, max_length=1, pattern=r'[^"\r\n\x00]', description="One character between fields.")
    ] = ","
    skip_header: Annotated[bool, Field(description="Whether to leave out the line of column names.")] = False
    null_value: Annotated[
        str,
        Field(
            pattern=r'^[^"\r\n\x00]*$',
            description="Text that stands for null, without quotes.",
        ),
    ] = ""
    quoting: Annotated[
        Literal["minimal", "all", "nonnumeric"],
        Field(
            description="Which fields get quotes: those that need them, all but nulls, or all but nulls and numbers."
        ),
    ] = "minimal"
    line_terminator: Annotated[Literal["\n", "\r\n"], Field(description="End of each line.")] = "\n"
    escape: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1,
            pattern=r"[^\r\n\x00]",
            description="One character that stands before a quote in a quoted field, and before itself.",
        ),
    ] = '"'

    @property
    def is_plain(self) -> bool:
        """Whether the dialect is the default one, apart from the delimiter: as RFC 4180, with ``\\n`` line ends."""
        return (self.null_value, self.quoting, self.line_terminator, self.escape) == ("", "minimal", "\n", '"')


class JsonOptions(BaseModel):
    """``format_spec`` of JSON, which has no options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class ParquetOptions(BaseModel):
    """``format_spec`` of Parquet, by CloudQuery's names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    version: Annotated[
        Literal["v1.0", "v2.4", "v2.6", "v2Latest"],
        Field(description="Version of the format: v1.0, v2.4, v2.6 or v2Latest; nanoseconds need v2.6 or later."),
    ] = "v2Latest"
    max_row_group_length: Annotated[int, Field(ge=1, description="Records in a row group, at least 1.")] = 2**20
    root_repetition: Annotated[
        Literal["undefined", "required", "optional", "repeated"], Field(description="Accepted and not used.")
    ] = "repeated"

    @property
    def has_nanoseconds(self) -> bool:
        """Whether the version has timestamps in nanoseconds."""
        return self.version not in ("v1.0", "v2.4")


class _GivenFields(BaseModel):
    """Leaves fields out of a dump that were not given: read back, their defaults would contradict other fields."""

    @model_serializer(mode="wrap")
    def _dump_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name in self.model_fields_set}


class Encryption(_GivenFields):
    """Server-side encryption of the objects."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    server_side_encryption: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"], Field(description="AES256, aws:kms or aws:kms:dsse.")
    ]
    sse_kms_key_id: Annotated[
        str, Field(min_length=1, description="Id of the KMS key; needed only for aws:kms and aws:kms:dsse.")
    ] = ""


class SpecFields(_GivenFields):
    """All fields of the destination spec, without the rules between them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    bucket: Annotated[
        str,
        Field(
            min_length=1,
            description="Name of the bucket, without s3:// and folders.",
        ),
    ]
    path: Annotated[
        str,
        Field(
            description="Template of the objects' keys, such as raw/{{TABLE}}/{{UUID}}.{{FORMAT}}.",
            examples=["raw/{{TABLE}}/{{UUID}}.{{FORMAT}}"],
        ),
    ]
    format: Annotated[
        Literal["csv", "json", "parquet"], Field(description="csv, json (one JSON object a line) or parquet.")
    ]
    format_spec: Annotated[
        dict[str, Any],
        AfterValidator(FrozenDict),
        Field(
            validate_default=True,
            description="Options of the format; csv: delimiter, skip_header, and its dialect; "
            "parquet: version, max_row_group_length.",
        ),
    ] = {}
    compression: Annotated[
        Literal["", "gzip", "snappy", "zstd", "none"],
        Field(description="csv, json: empty or gzip; parquet: snappy, zstd, gzip or none, and empty means snappy."),
    ] = ""
    compression_level: Annotated[
        int,
        Field(
            ge=1, le=9, description="1 to 9, fast to small, for gzip and zstd; from 4 on, gzip is several times slower."
        ),
    ] = 2
    write_mode: Annotated[Literal["append"], Field(description="S3 supports append only.")] = "append"
    batch_size: Annotated[int, Field(ge=1, description="Records in an object, at least 1.")] = 10_000
    batch_size_bytes: Annotated[
        int,
        Field(
            ge=1,
            description="Bytes of an object before compression, with header; for Parquet, bytes in Arrow; at least 1.",
        ),
    ] = 5 * 2**20
    no_rotate: Annotated[bool, Field(description="One object per table and task instance.")] = False
    partition_columns: Annotated[
        Literal["keep", "drop"],
        Field(description="Whether the columns of {{FIELD.name}} in the path stay in the objects: keep or drop."),
    ] = "keep"
    uuid_namespace: Annotated[
        str,
        Field(description="Text that enters every UUID: another one where another Airflow has the same DAG ids."),
    ] = ""
    manifest_path: Annotated[
        str,
        Field(
            description="Template of the manifest's key; empty: _manifest/{{UUID}}.json in the path's first folder.",
        ),
    ] = ""
    ddl: Annotated[
        Sequence[Literal["athena", "redshift"]],
        AfterValidator(tuple),
        Field(
            validate_default=True,
            description="Table definitions to write beside the data, as a list of athena, redshift or both.",
        ),
    ] = ()
    ddl_path: Annotated[
        str,
        Field(
            description="Template of the definitions' keys; "
            "empty: _ddl/{{TABLE}}-{{UUID}}.{{FORMAT}} in the path's first folder.",
        ),
    ] = ""
    athena: Annotated[
        bool,
        Field(description="Make the keys of records and of nested objects safe for Athena: letters, digits and _."),
    ] = False
    write_empty_objects_for_empty_tables: Annotated[
        bool,
        Field(
            description="Write an object for a table of no records: a csv header, a parquet schema, or an empty object."
        ),
    ] = False
    content_type: Annotated[
        str,
        Field(description="Content-Type of the objects; empty: the one of the format."),
    ] = ""
    acl: Annotated[str, Field(description=f"Canned ACL: {', '.join(CANNED_ACLS)}.", examples=list(CANNED_ACLS))] = ""
    server_side_encryption_configuration: Annotated[
        Encryption | None,
        Field(description="`server_side_encryption`, and `sse_kms_key_id` for aws:kms and aws:kms:dsse."),
    ] = None
    tags: Annotated[
        dict[str, str],
        AfterValidator(FrozenDict),
        Field(validate_default=True, description="Tags of every object, at most 10."),
    ] = {}
    metadata: Annotated[
        dict[str, str],
        AfterValidator(FrozenDict),
        Field(validate_default=True, description="User metadata of every object, ASCII, at most 2,008 bytes."),
    ] = {}
    storage_class: Annotated[
        str,
        Field(min_length=1, description="Storage class, such as STANDARD_IA."),
    ] = ""
    region: Annotated[
        str, Field(min_length=1, description="Region of the bucket; it overrides the region of the AWS connection.")
    ] = ""
    endpoint_skip_tls_verify: Annotated[bool, Field(description="Don't verify the endpoint's certificate.")] = False
    use_path_style: Annotated[bool, Field(description="Address the bucket in the path, not in the host name.")] = False
    max_retries: Annotated[int | None, Field(ge=0, description="Retries of a request, at least 0.")] = None
    part_size: Annotated[
        int,
        Field(
            ge=MIN_PART_SIZE,
            le=MAX_PART_SIZE,
            description="Bytes of the first 5,000 parts of a multipart upload, 5 MiB to 5 GiB.",
        ),
    ] = 16 * 2**20
    batch_timeout: Annotated[str | int | None, Field(description="Accepted and not used.")] = None
    max_backoff: Annotated[str | int | None, Field(description="Accepted and not used.")] = None
    test_write: Annotated[bool | None, Field(description="Accepted and not used.")] = None
