"""Explains the errors of S3 and boto3: which request failed, on which object, why, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.safe_text import HIDDEN, without_credentials

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

_PERMISSIONS = {
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
}
"""The right that an operation needs (Amazon S3 User Guide, "Required permissions for Amazon S3 API operations")."""

_WITH_FIELDS = (
    " Where they are set, `tags` need s3:PutObjectTagging, `acl` s3:PutObjectAcl, and a KMS key kms:GenerateDataKey."
)
"""What needs further rights than the right to write."""

_NO_S3 = "This server does not answer like S3: check `endpoint_url` in the extra of the AWS connection."

_WRONG_BUCKET_NAME = "No bucket can have this name: check it in `bucket`, `staging_path` or `state_path`."

_REMEDIES = {
    "NoSuchBucket": "Check its name, and region and endpoint of the AWS connection.",
    "InvalidBucketName": _WRONG_BUCKET_NAME,
    "InvalidAccessKeyId": "The access key is unknown there: check the login of the AWS connection.",
    "SignatureDoesNotMatch": "The secret key is wrong: check the password of the AWS connection.",
    "ExpiredToken": "The session token has expired: renew it in the AWS connection.",
    "InvalidToken": "The session token is wrong: check `aws_session_token` in the extra of the AWS connection.",
    "RequestTimeTooSkewed": "Set the clock of the worker.",
    "KMS.NotFoundException": "There is no such key: check `sse_kms_key_id`.",
    "InvalidStorageClass": "The store knows no such class: check `storage_class`.",
    "PermanentRedirect": "The bucket lies in another region: set `region`.",
    "AuthorizationHeaderMalformed": "The bucket lies in another region: set `region`.",
    "IllegalLocationConstraintException": "The bucket lies in another region: set `region`.",
    "405": _NO_S3,
    "MethodNotAllowed": _NO_S3,
    "NoSuchKey": "It is gone: was it deleted while the load ran?",
    "EntityTooLarge": "It is larger than S3 takes in one request: lower `batch_size_bytes`.",
    "InvalidArgument": "Check the fields that are sent along: acl, tags, metadata, encryption, storage_class.",
    "InvalidTag": "The store takes no such tag: check `tags`.",
    "AccessControlListNotSupported": "The bucket takes no ACLs: leave `acl` out.",
}
"""Error codes of the S3 API that no retry can mend (Amazon S3 API Reference, "Error responses")."""

_NO_CHECKSUMS = (
    "The store may not know the checksum headers that boto3 sends. In the extra of the AWS connection, set "
    '`config_kwargs` to {"request_checksum_calculation": "when_required", '
    '"response_checksum_validation": "when_required"}.'
)
"""AWS SDKs and Tools Reference Guide, "Data Integrity Protections for Amazon S3"."""

_OR_OTHER_HEADERS = (
    " If it still refuses, leave out `tags`, `acl`, `storage_class` and encryption, one after the other."
)

_CHECKSUM_WORDS = re.compile(r"checksum|x-amz-trailer|aws-chunked|implies functionality", re.IGNORECASE)
"""What stores that are not AWS say of headers that they do not know."""

_HEADER_REFUSED = ("InvalidArgument", "InvalidRequest", "NotImplemented")

_HEADER_FIELDS = {
    "tagging": "`tags`",
    "-acl": "`acl`",
    "storage-class": "`storage_class`",
    "server-side-encryption": "`sse_kms_key_id` and the other fields of encryption",
}
"""Parts of the names of headers, and the fields that send them."""

_WRITES = ("PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload")

_REFUSED_KEY = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidClientTokenId",
    "ExpiredTokenException",
)
"""Error codes of S3 and of the token service which mean that a key is unknown, wrong or expired."""

_PUBLIC_ERRORS = ("SSLError", "ResponseStreamingError", "FlexibleChecksumError", "MissingDependencyException")
_PUBLIC_ERRORS_ABOUT = "UnsupportedS3"
"""Errors of botocore, and the beginning of the names of others, whose details hold no value of a connection."""

_PUBLIC_DETAILS = (
    *(
        "region_name",
        "service_name",
        "operation",
        "operation_name",
        "object_name",
        "missing",
        "cred_var",
        "bucket_name",
    ),
    *("valid_options", "valid_modes", "choices", "actual_bytes", "expected_bytes", "actual_checksum"),
    *("expected_checksum", "checksum_type"),
)
"""Details of all other errors that may be shown: none of them is a value of a connection but region and bucket."""

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""Part of OpenSSL's message about a certificate that no trusted authority has signed."""


@contextmanager
def explained(operation: str, bucket: str, key: str) -> Iterator[None]:
    """Replace every error of boto3 in a block by one that names the request, its target and the remedy.

    :raises StoreError: instead of the error of boto3.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    target = f"{operation} s3://{bucket}/{key}"
    try:
        yield
    except (ClientError, BotoCoreError, RecursionError) as error:
        # A server that is no S3 may redirect every request. Botocore then asks for the region of the bucket, is
        # redirected again, and calls itself until Python stops it.
        if "maximum recursion depth" in str(error):
            raise StoreError(f"{target}: redirected without end. {_NO_S3}", final=True) from error
        raise_alone(store_error(error, operation, bucket, key))
    except (KeyError, ResponseParserError) as error:
        raise StoreError(
            f"{target}: the answer is not S3's ({type(error).__name__} {error}). {_NO_S3}", final=True
        ) from error


def raise_alone(error: Exception) -> NoReturn:
    """Raise an error without the one that is being handled: its text may hold a value of a connection."""
    try:
        raise error
    finally:
        error.__cause__ = error.__context__ = None


def is_denied(code: str) -> bool:
    """Return whether an error code of S3 means that a right is missing."""
    return code in ("AccessDenied", "403", "Forbidden", "AllAccessDisabled")


def store_error(error: Exception, operation: str, bucket: str, key: str) -> StoreError:
    """Build the error that names the request, its target and the remedy.

    :param error: a ClientError (S3 answered) or a BotoCoreError (there was no answer).
    :param operation: the S3 operation, such as ``PutObject``.
    """
    target = f"{operation} s3://{bucket}/{key}"
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return StoreError(f"{target}: {described(error)} {_remedy_unanswered(error)}", final=not is_passing(error))
    if str(getattr(error, "operation_name", "")).startswith("AssumeRole"):
        refused_key = response.get("Error", {}).get("Code") in _REFUSED_KEY
        check = "login and password" if refused_key else "`role_arn` in the extra"
        text = f"{target}: {described(error)} Check {check} of the AWS connection."
        return StoreError(text, final=not is_passing(error), refused_key=refused_key)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    code = str(response.get("Error", {}).get("Code") or status)
    message = str(response.get("Error", {}).get("Message", "")).rstrip(".")
    remedy, final = _remedy(code, operation)
    refuses_header = operation in _WRITES and code in (*_HEADER_REFUSED, "501")
    not_there = operation in _WRITES and code in ("NotImplemented", "501")
    if not_there or (code in _HEADER_REFUSED and _CHECKSUM_WORDS.search(message)):
        remedy, final = f"{_NO_CHECKSUMS}{_OR_OTHER_HEADERS * not_there}", True
    if named := [field for name, field in _HEADER_FIELDS.items() if refuses_header and f"{name}" in message.lower()]:
        remedy, final = f"The store does not know this header: leave {named[0]} out.", True
    text = f"{target}: S3 answered {code}: {message}. {remedy}"
    return StoreError(text, final=final, code=code, denied=is_denied(code), refused_key=code in _REFUSED_KEY)


def is_passing(error: Exception) -> bool:
    """Return whether a retry may succeed after an error of boto3 that is not an answer of S3."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):  # an answer of the token service
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        return status >= 500 or "Throttl" in error.response.get("Error", {}).get("Code", "")
    if isinstance(error, exceptions.SSLError):
        return _UNTRUSTED not in str(error)
    passing = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.ChecksumError,
        exceptions.FlexibleChecksumError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
    )
    return isinstance(error, passing) or not isinstance(error, exceptions.BotoCoreError)


def described(error: Exception) -> str:
    """Return what an error of boto3 says, as one sentence without the values of a connection.

    Of an answer it is the code, of an error of botocore its text with only those details that may be shown, and of any
    other error the type.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        return f"{error.operation_name} was answered with {error.response.get('Error', {}).get('Code', 'an error')}."
    if not isinstance(error, BotoCoreError):
        return f"{type(error).__name__}."
    details = {name: _detail(error, name, value) for name, value in error.kwargs.items()}
    return one_line(error.fmt.format(**details))


def one_line(text: object) -> str:
    """Return a text as one sentence."""
    return " ".join(str(text).split()).rstrip(".") + "."


def _detail(error: BotoCoreError, name: str, value: Any) -> str:
    """Return a detail of an error as it may be shown."""
    if name == "endpoint_url":
        scheme, host, *_ = urlsplit(without_credentials(str(value)))
        return f"{scheme}://{host}"
    kind = type(error).__name__
    if name in _PUBLIC_DETAILS or kind in _PUBLIC_ERRORS or kind.startswith(_PUBLIC_ERRORS_ABOUT):
        return str(value)
    return type(value).__name__ if isinstance(value, Exception) else HIDDEN


def _remedy_unanswered(error: Exception) -> str:
    """Return the remedy for an error without an answer of S3."""
    if type(error).__name__ == "ParamValidationError":
        wrong_bucket = "bucket name" in str(error).lower() or "parameter Bucket" in str(error)
        return _WRONG_BUCKET_NAME if wrong_bucket else _REMEDIES["InvalidArgument"]
    if _UNTRUSTED in str(error):
        return (
            "No trusted authority signed the endpoint's certificate: set `verify` in the extra of the AWS connection."
        )
    if is_passing(error):
        return "Check the endpoint of the AWS connection and the network."
    if type(error).__name__ == "NoCredentialsError":
        return "Set login and password of the AWS connection, or make sure that boto3 finds credentials on the worker."
    return "Check the AWS connection."


def _remedy(code: str, operation: str) -> tuple[str, bool]:
    """Return the remedy for an error code of S3, and whether the error is final."""
    if is_denied(code):
        # The answer to a HEAD request has no body: a wrong key and a missing right look the same.
        also = ", or are wrong" if operation == "HeadObject" else ""
        right = _PERMISSIONS.get(operation, operation)
        writes = operation in ("PutObject", "CreateMultipartUpload")
        return f"The credentials need {right} there{also}.{_WITH_FIELDS if writes else ''}", True
    if code in ("404", "NotFound"):
        return "Check the bucket's name, and region and endpoint of the AWS connection.", True
    if code == "PreconditionFailed":
        return "It was replaced while it was read; another attempt reads it anew.", False
    if code in _REMEDIES:
        return _REMEDIES[code], True
    return "Another attempt may succeed.", False
