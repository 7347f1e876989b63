"""The connection: its form on each version, and what is read of it, however it is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from airflow.providers_manager import ProvidersManager

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.get_provider_info import get_provider_info
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.spec import DestinationSpec
from tests.airflow import versions

FIELDS = {
    "bucket": "lake",
    "path": "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}",
    "format": "csv",
    "format_spec": {"delimiter": ";", "skip_header": True},
    "batch_size": 5000,
    "batch_size_bytes": 1_000_000,
    "tags": {"team": "data"},
}
"""A field of each kind that the form asks for: text, number, JSON."""

Stored = Callable[[str, dict[str, Any]], None]


@pytest.fixture(scope="module")
def form() -> Iterator[versions.ConnectionForm]:
    """The form for a new connection."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as the API server does: it reads its database itself
        with versions.connection_form() as opened:
            yield opened


def store_as_json(environment: pytest.MonkeyPatch, extra: dict[str, Any]) -> None:
    """Store a connection as JSON in the environment."""
    document = {"conn_type": "s3_destination", "extra": extra}
    environment.setenv("AIRFLOW_CONN_LAKE", json.dumps(document))


def store_as_text_in_json(environment: pytest.MonkeyPatch, extra: dict[str, Any]) -> None:
    """Store a connection as JSON whose extra is JSON in a string, as in an export of all connections."""
    document = {"conn_type": "s3_destination", "extra": json.dumps(extra)}
    environment.setenv("AIRFLOW_CONN_LAKE", json.dumps(document))


def store_as_uri(environment: pytest.MonkeyPatch, extra: dict[str, Any]) -> None:
    """Store a connection as a URI in the environment, each field of its extra a parameter, and so a text."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in extra.items()}
    environment.setenv("AIRFLOW_CONN_LAKE", f"s3-destination://?{urlencode(texts)}")


def store_as_uri_with_json(environment: pytest.MonkeyPatch, extra: dict[str, Any]) -> None:
    """Store a connection as the URI that Airflow itself makes of it."""
    environment.setenv("AIRFLOW_CONN_LAKE", f"s3-destination:///?__extra__={quote(json.dumps(extra))}")


class TestTheForm:
    def test_has_the_fields_that_people_set_most_and_each_is_one_of_the_spec(
        self, form: versions.ConnectionForm
    ) -> None:
        assert {"bucket", "path", "format", "compression", "batch_size", "batch_size_bytes"} < {*form.fields}
        assert {*form.fields} - {*DestinationSpec.model_fields} == {"aws_conn_id", "console_url"}

    def test_hides_what_does_not_apply_and_gives_examples(self) -> None:
        manager: Any = ProvidersManager()  # type: ignore[no-untyped-call]
        behaviour = manager.field_behaviours["s3_destination"]

        assert behaviour["hidden_fields"] == ["host", "schema", "login", "password", "port"]
        assert behaviour["placeholders"]["extra__s3_destination__bucket"] == "my-bucket"

    def test_asks_for_what_the_spec_takes(self) -> None:
        [described] = get_provider_info()["connection-types"]
        properties = DestinationSpec.model_json_schema()["properties"]
        for name, field in described["conn-fields"].items():
            kind, *_ = field["schema"]["type"]
            assert properties.get(name, {}).get("type", kind) == kind, name
            # The form of Airflow 3 would make the minimum of what is below it, and say nothing.
            assert "minimum" not in field["schema"], name
            if choices := field["schema"].get("enum"):  # of which an empty one is left to the empty field
                assert {*choices} == {*properties[name]["enum"]} - {""}, name

    def test_gives_the_same_examples_to_every_version(self) -> None:
        [described] = get_provider_info()["connection-types"]
        fields, placeholders = described["conn-fields"], described["ui-field-behaviour"]["placeholders"]
        examples = {name: field["schema"].get("examples") for name, field in fields.items()}

        assert examples["bucket"] == ["my-bucket"]
        assert all(placeholders[name] == given[0] for name, given in examples.items() if given)

    def test_saves_what_is_read_back_as_it_was_meant(self, form: versions.ConnectionForm) -> None:
        form.save("saved_lake", **FIELDS)
        form.save("saved_once", bucket="lake", no_rotate=True, aws_conn_id="other")
        form.save("saved_empty")

        assert {"no_rotate": False, **S3DestinationHook("saved_lake").connection_fields()} == {
            "no_rotate": False,
            **FIELDS,
        }
        assert S3DestinationHook("saved_once").connection_fields() == {"bucket": "lake", "no_rotate": True}
        assert S3DestinationHook("saved_once").aws_conn_id == "other"
        assert not any(S3DestinationHook("saved_empty").connection_fields().values())
        assert S3DestinationHook("saved_empty").aws_conn_id == "aws_default"


@pytest.mark.parametrize("store", [store_as_json, store_as_text_in_json, store_as_uri, store_as_uri_with_json])
class TestHoweverItIsStored:
    def test_it_is_read_as_it_was_meant(self, monkeypatch: pytest.MonkeyPatch, store: Any) -> None:
        others = {"max_retries": 0, "use_path_style": True, "ddl": ["athena", "redshift"]}
        store(monkeypatch, {**FIELDS, **others, "aws_conn_id": "other"})

        hook = S3DestinationHook("lake")

        assert hook.connection_fields() == {**FIELDS, **others}
        assert hook.aws_conn_id == "other"

    def test_what_is_empty_counts_as_not_given(self, monkeypatch: pytest.MonkeyPatch, store: Any) -> None:
        empty = {"path": "", "format_spec": {}, "compression": "", "aws_conn_id": "", "acl": ""}
        store(monkeypatch, {"bucket": "lake", **empty})

        assert S3DestinationHook("lake").connection_fields() == {"bucket": "lake"}
        assert S3DestinationHook("lake").aws_conn_id == "aws_default"

    @pytest.mark.parametrize(
        ("extra", "said"),
        [
            ({"batch_size": "10k"}, "`batch_size`: input should be a valid integer, not ***. Records in an object"),
            ({"batch_size": 0}, "`batch_size`: input should be greater than or equal to 1, not ***"),
            ({"no_rotate": "maybe"}, "`no_rotate`: input should be a valid boolean, not ***."),
            ({"format_spec": ";"}, "`format_spec`: input should be a valid dictionary, not ***."),
            ({"formt": "csv"}, "`formt`: is unknown. Did you mean `format`?"),
            ({"endpoint": "x"}, "`endpoint`: is not taken here. Set `endpoint_url`"),
            ({"no_rotate": True, "batch_size": 5}, "`batch_size`: is given beside `no_rotate`"),
            ({"path": "{{ ds }}/{{UUID}}"}, "`path`: unknown placeholder {{ds}}"),
            ({"console_url": "javascript:x"}, "`console_url`: is no URL of a page. Give the URL"),
            ({"console_url": "https://console/\nx"}, "`console_url`: is no URL of a page. Give the URL"),
            ({"console_url": "https://console/\u202ex"}, "`console_url`: is no URL of a page. Give the URL"),
            ({"console_url": "https://console/ x"}, "`console_url`: is no URL of a page. Give the URL"),
        ],
        ids=[
            *("number", "too small", "truth", "json", "unknown", "refused", "contradictory", "jinja", "link"),
            *("line end", "bidi", "blank"),
        ],
    )
    def test_a_fault_in_its_extra_names_connection_and_field(
        self, monkeypatch: pytest.MonkeyPatch, store: Any, extra: dict[str, Any], said: str
    ) -> None:
        store(monkeypatch, {"bucket": "lake", **extra})

        with pytest.raises(SpecError) as caught:
            S3DestinationHook("lake").connection_fields()

        field, problem = said.split(" ", 1)
        assert f"{field} connection 'lake': {problem}" in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"conn_type": "aws", "login": "key"}, "`conn_type`: connection 'lake': is not 's3_destination'."),
        (
            {"conn_type": "s3_destination", "host": "lake"},
            "`host`: connection 'lake': is given and has no meaning here.",
        ),
        ({"conn_type": "s3_destination", "login": "AKIA", "password": "s3cr3t"}, "2 faults"),
        (
            "s3-destination://?__extra__=%5B1%5D",
            "there is no connection 'lake'"
            if versions.UNREADABLE_IS_MISSING
            else "connection 'lake': is no JSON object.",
        ),
    ],
    ids=["other type", "host", "credentials", "no object"],
)
def test_what_would_be_passed_over_is_refused(monkeypatch: pytest.MonkeyPatch, stored: Any, said: str) -> None:
    text = stored if isinstance(stored, str) else json.dumps(stored)
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", text)

    with pytest.raises(SpecError, match="connection 'lake'") as caught:
        S3DestinationHook("lake").connection_fields()

    assert said in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_secrets_backend_is_asked_like_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    store = tmp_path / "connections.json"
    store.write_text(json.dumps({"from_file": "s3-destination://?bucket=lake&batch_size=7"}))
    backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", backend)
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps({"connections_file_path": str(store)}))
    assert BaseHook.get_connection("from_file").conn_type == "s3_destination"

    assert S3DestinationHook("from_file").connection_fields() == {"bucket": "lake", "batch_size": 7}


def test_a_load_tells_the_connections_faults_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    store_as_uri(monkeypatch, {"bucket": "lake", "batch_size": "10k"})

    with pytest.raises(SpecError) as caught:
        S3DestinationHook("lake", aws_conn_id=None).load(records=[], table="")

    assert "`table`: is ''." in str(caught.value)
    assert "`batch_size`: connection 'lake': input should be a valid integer" in str(caught.value)
