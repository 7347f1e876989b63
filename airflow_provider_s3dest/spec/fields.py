"""The fields of the destination spec: their types, defaults, single rules, and the limits of S3 behind those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from airflow_provider_s3dest.spec.limits import MAX_PART_SIZE, MIN_PART_SIZE

NULLABLE = ("batch_size", "batch_size_bytes", "batch_timeout", "format_spec")
"""Fields whose ``null`` counts as not given, as in CloudQuery."""

BATCH_LIMITS = ("batch_size", "batch_size_bytes", "batch_timeout")
"""Fields that cut a table into objects, and so exclude ``no_rotate``."""

REFUSED: Mapping[str, str] = {
    "endpoint": "Set `endpoint_url` in the extra of the AWS connection.",
    "credentials": "Set login and password, or `role_arn` in the extra, of the AWS connection.",
    "local_profile": "Set `profile_name` in the extra of the AWS connection.",
    "aws_debug": "Set the level of the logger `botocore` in Airflow's logging configuration.",
}
"""Fields of CloudQuery's spec whose place is the AWS connection, and where there."""

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

MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 10, 128, 256
"""Tags on an object, and the characters of their keys and values (S3 User Guide, "Categorizing objects using tags")."""

MAX_METADATA_BYTES = 2048
"""User metadata of an object, keys and values together (Amazon S3 User Guide, "Working with object metadata")."""

OWN_METADATA_BYTES = 40
"""What a checksum takes of that in every object."""


# The patterns are in the schema too, and to some of its readers `$` alone lets a line end follow.
HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$(?!\n)"
"""What the name of a header can be (RFC 9110, section 5.6.2)."""

HEADER_TEXT = r"^[\x20-\x7e]*$(?!\n)"
"""What a header of HTTP can carry: printable ASCII."""

NULL_TEXT = r'^[^"\r\n\x00]*$'
"""What can stand for null in CSV without quotes; to pydantic `$` lets nothing follow."""

NO_KEY = r"^/|\./|//|/$|(^|/)\.\.?$|[\x00-\x1f\x7f]"
"""What is no template of a key."""

BUCKET_NAME = r"^(arn:|[^/{}]*$)"
"""No URL, folder or template, but for the ARN of an access point; the store checks the rest."""


class FrozenDict(dict[str, Any]):
    """A dict to all who read it; who would change it gets a TypeError."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("A destination spec can't be changed; build another one.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: Any) -> FrozenDict:
        return self

    def __reduce__(self) -> Any:
        return FrozenDict, (dict(self),)


class CsvOptions(BaseModel):
    """``format_spec`` of CSV."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    delimiter: Annotated[
        str, Field(min_length=1, max_length=1, pattern=r'[^"\r\n\x00]', description="One character between fields.")
    ] = ","
    skip_header: Annotated[bool, Field(description="Whether to leave the line of column names out.")] = False
    null_value: Annotated[
        str,
        Field(
            pattern=NULL_TEXT,
            json_schema_extra={"pattern": f"{NULL_TEXT}(?!\\n)"},
            description="What stands for null, without quotes.",
        ),
    ] = ""
    quoting: Annotated[
        Literal["minimal", "all", "nonnumeric"],
        Field(description="What is quoted: what must be, all but nulls, or all but nulls and numbers."),
    ] = "minimal"
    line_terminator: Annotated[Literal["\n", "\r\n"], Field(description="What a line ends with.")] = "\n"
    escape: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1,
            pattern=r"[^\r\n\x00]",
            description="One character, which stands before a quote in a quoted field, and before itself.",
        ),
    ] = '"'

    @property
    def is_plain(self) -> bool:
        """Whether the dialect is that of RFC 4180, with nulls empty and ``\\n`` line ends, whatever the delimiter."""
        return (self.null_value, self.quoting, self.line_terminator, self.escape) == ("", "minimal", "\n", '"')


class JsonOptions(BaseModel):
    """``format_spec`` of JSON, which has no options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class ParquetOptions(BaseModel):
    """``format_spec`` of Parquet, by CloudQuery's names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    version: Annotated[
        Literal["v1.0", "v2.4", "v2.6", "v2Latest"],
        Field(description="Version of the format: v1.0, v2.4, v2.6 or v2Latest; only from v2.6 on it has nanoseconds."),
    ] = "v2Latest"
    max_row_group_length: Annotated[int, Field(ge=1, description="Records in a row group, at least 1.")] = 2**20
    root_repetition: Annotated[
        Literal["undefined", "required", "optional", "repeated"], Field(description="Accepted and not used.")
    ] = "repeated"

    @property
    def has_nanoseconds(self) -> bool:
        """Whether the version has timestamps in nanoseconds."""
        return self.version not in ("v1.0", "v2.4")


class Encryption(BaseModel):
    """Server-side encryption of the objects."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    server_side_encryption: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"], Field(description="AES256, aws:kms or aws:kms:dsse.")
    ]
    sse_kms_key_id: Annotated[
        str, Field(min_length=1, description="Id of the KMS key; needed for the KMS kinds only.")
    ] = ""


class SpecFields(BaseModel):
    """All fields of the destination spec, without the rules between them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    bucket: Annotated[
        str,
        Field(
            min_length=1,
            json_schema_extra={"pattern": BUCKET_NAME},
            description="Name of the bucket, without s3:// and folders.",
        ),
    ]
    path: Annotated[
        str,
        Field(
            json_schema_extra={"pattern": r"^[^/]"},
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
        Field(
            description="csv, json: empty or gzip; of Parquet's pages: snappy, which empty means, zstd, gzip or none."
        ),
    ] = ""
    compression_level: Annotated[
        int,
        Field(
            ge=1, le=9, description="Of gzip and zstd: 1 to 9, fast to small; from 4 on, gzip is several times slower."
        ),
    ] = 2
    write_mode: Annotated[Literal["append"], Field(description="S3 supports append only.")] = "append"
    batch_size: Annotated[int, Field(ge=1, description="Records in an object, at least 1.")] = 10_000
    batch_size_bytes: Annotated[
        int,
        Field(
            ge=1, description="Bytes of an object before compression, header included, in Parquet as Arrow, at least 1."
        ),
    ] = 5 * 2**20
    no_rotate: Annotated[bool, Field(description="One object per table and task instance.")] = False
    partition_columns: Annotated[
        Literal["keep", "drop"],
        Field(description="Whether the columns of {{FIELD.name}} in the path stay in the objects: keep or drop."),
    ] = "keep"
    manifest_path: Annotated[
        str,
        Field(
            json_schema_extra={"not": {"pattern": NO_KEY}},
            description="Template of the manifest's key; empty: _manifest/{{UUID}}.json in the path's first folder.",
        ),
    ] = ""
    ddl: Annotated[
        Sequence[Literal["athena", "redshift"]],
        AfterValidator(tuple),
        Field(
            validate_default=True,
            json_schema_extra={"uniqueItems": True},
            description="Table definitions to write beside the data, as a list of athena, redshift or both.",
        ),
    ] = ()
    ddl_path: Annotated[
        str,
        Field(
            json_schema_extra={"not": {"pattern": NO_KEY}},
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
        Field(description="Write an object for a table of no records: a csv header, a parquet schema, or nothing."),
    ] = False
    content_type: Annotated[
        str,
        Field(
            json_schema_extra={"pattern": HEADER_TEXT},
            description="Content-Type of the objects; empty: that of the format.",
        ),
    ] = ""
    acl: Annotated[str, Field(description=f"Canned ACL: {', '.join(CANNED_ACLS)}.", examples=list(CANNED_ACLS))] = ""
    server_side_encryption_configuration: Annotated[
        Encryption | None, Field(description="`server_side_encryption` and, for the KMS kinds, `sse_kms_key_id`.")
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
        Field(
            min_length=1,
            json_schema_extra={"pattern": HEADER_TEXT},
            description="Storage class, such as STANDARD_IA.",
        ),
    ] = ""
    region: Annotated[str, Field(min_length=1, description="Region of the bucket, over the AWS connection's.")] = ""
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
