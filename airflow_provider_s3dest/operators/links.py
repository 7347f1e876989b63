"""Links a task to what it wrote: its prefix and its manifest, in the console of S3."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import commonpath
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_s3dest.s3.uri import split_uri

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_s3dest.report import LoadReport

_CONSOLES = {
    "aws": "https://console.aws.amazon.com",
    "aws-cn": "https://console.amazonaws.cn",
    "aws-us-gov": "https://console.amazonaws-us-gov.com",
}
"""The console of each AWS partition (AWS General Reference, "Partitions")."""

_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")


class _Link(BaseOperatorLink):
    """A link that the task builds at its end. The web server does not run the task, so it reads the link from XCom."""

    key: ClassVar[str]

    @property
    def xcom_key(self) -> str:
        return self.key

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        links: Mapping[str, str] | None = getattr(operator, "links", None)
        if links is not None:
            return links.get(self.key, "")
        return XCom.get_value(ti_key=ti_key, key=self.key) or ""


class S3ConsoleLink(_Link):
    """A link to the folder that all objects of the load share."""

    key = "s3_destination_console"
    name = "Objects in S3"


class S3ManifestLink(_Link):
    """A link to the manifest of the load, if it wrote one."""

    key = "s3_destination_manifest"
    name = "Manifest in S3"


def links_of(report: LoadReport, client_meta: Any, console_url: str | None) -> dict[str, str]:
    """Return the links of a load by their keys; none where no console is known.

    :param client_meta: ``meta`` of the boto3 client: region, partition and endpoint.
    :param console_url: the console of a store that is not AWS: a URL with ``{bucket}`` and ``{prefix}``.
    """
    shared = commonpath([table.prefix for table in report.tables.values()] or [""])
    folder = f"{shared}/" if shared else ""
    links = {S3ConsoleLink.key: _url(client_meta, console_url, "buckets", report.bucket, folder)}
    if report.manifest:
        bucket, key = split_uri(report.manifest)
        links[S3ManifestLink.key] = _url(client_meta, console_url, "object", bucket, key)
    return {key: url for key, url in links.items() if url}


def store_links(context: Context, links: Mapping[str, str]) -> None:
    """Push the links to XCom. From 3.0 on, Airflow does so itself."""
    if hasattr(BaseOperatorLink, "xcom_key"):
        return
    push = getattr(context["ti"], "xcom_push", None)
    for key, url in links.items():
        if push is not None:
            push(key=key, value=url)


def _url(meta: Any, console_url: str | None, view: str, bucket: str, prefix: str) -> str:
    if console_url:
        return console_url.replace("{bucket}", quote(bucket)).replace("{prefix}", quote(prefix))
    console = _CONSOLES.get(meta.partition)
    host = urlsplit(meta.endpoint_url).hostname or ""
    if console is None or not host.endswith(_AWS_HOSTS) or bucket.startswith("arn:"):
        return ""
    return f"{console}/s3/{view}/{bucket}?region={meta.region_name}&prefix={quote(prefix, safe='')}"
