"""What an answer of S3 means to the user: which request, on what, and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_s3dest.errors import StoreError

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

_REMEDIES = {
    "NoSuchBucket": "Check its name, and region and endpoint of the AWS connection.",
    "InvalidBucketName": "S3 takes no such name for a bucket: check `bucket`.",
    "InvalidAccessKeyId": "The access key is unknown there: check the login of the AWS connection.",
    "SignatureDoesNotMatch": "The secret key is wrong: check the password of the AWS connection.",
    "InvalidStorageClass": "The store knows no such class: check `storage_class`.",
    "PermanentRedirect": "The bucket lies in another region: set `region`.",
    "AuthorizationHeaderMalformed": "The bucket lies in another region: set `region`.",
    "IllegalLocationConstraintException": "The bucket lies in another region: set `region`.",
    "NoSuchKey": "It is gone: was it deleted while the load ran?",
    "EntityTooLarge": "It is larger than S3 takes in one request: lower `batch_size_bytes`.",
    "InvalidArgument": "Check the fields that are sent along: acl, tags, metadata, encryption, storage_class.",
    "InvalidTag": "The store takes no such tag: check `tags`.",
    "AccessControlListNotSupported": "The bucket takes no ACLs: leave `acl` out.",
}
"""Error codes of the S3 API that no retry can mend (Amazon S3 API Reference, "Error responses")."""


@contextmanager
def explained(operation: str, bucket: str, key: str) -> Iterator[None]:
    """Turn every error of boto3 in a block into one that names the request, its target and the way out.

    :raises StoreError: in its place.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise store_error(error, operation, bucket, key) from error


def is_denied(code: str) -> bool:
    """Say whether an error code of S3 means that a right is missing."""
    return code in ("AccessDenied", "403", "Forbidden", "AllAccessDisabled")


def store_error(error: Exception, operation: str, bucket: str, key: str) -> StoreError:
    """Turn an error of boto3 into one that names the request, its target and the way out.

    :param error: a ClientError (S3 answered) or a BotoCoreError (it could not be asked).
    :param operation: the S3 operation, such as ``PutObject``.
    """
    target = f"{operation} s3://{bucket}/{key}"
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        name = type(error).__name__
        if name in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ParamValidationError"):
            return StoreError(f"{target}: {error}. Check the AWS connection.", final=True)
        return StoreError(f"{target}: {error}. Check the endpoint of the AWS connection and the network.", final=False)
    code = str(response.get("Error", {}).get("Code", ""))
    message = str(response.get("Error", {}).get("Message", "")).rstrip(".")
    remedy, final = _remedy(code, operation)
    text = f"{target}: S3 answered {code}: {message}. {remedy}"
    return StoreError(text, final=final, code=code, denied=is_denied(code))


def _remedy(code: str, operation: str) -> tuple[str, bool]:
    """Give the way out of an error that S3 answered, and whether it is final."""
    if is_denied(code):
        # The answer to a HEAD has no body, and so does not tell a wrong key from a missing right.
        also = ", if they are right at all" if operation == "HeadObject" else ""
        return f"The credentials need {_PERMISSIONS.get(operation, operation)} there{also}.", True
    if code in ("404", "NotFound"):
        return "Check the bucket's name, and region and endpoint of the AWS connection.", True
    if code == "PreconditionFailed":
        return "It was replaced while it was read; another try reads it anew.", False
    if code in _REMEDIES:
        return _REMEDIES[code], True
    return "Another try may succeed.", False
