"""Arguments and fields are named alike in operator, decorator, hook, spec, connection form and documents."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_s3dest.decorators.s3_destination import s3_destination_task
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.get_provider_info import get_provider_info
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN

OF_THE_LOAD_ALONE = {"fields", "keeps_state", "written_path", "sources", "found", "by_xcom"}
"""Fields of LoadArguments that are no arguments: operator and hook derive them."""

OF_THE_HOOK_S_INIT = {"s3_destination_conn_id", "aws_conn_id"}
"""Arguments of a load that a hook takes when it is built."""

NOT_OF_THE_HOOK = {"delete_staging"}
"""Arguments of a load that only a task has, which Airflow may run again."""


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the named parameters of a function with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.name != "self" and one.kind is not one.VAR_KEYWORD}


def documented(text: str | None) -> list[str]:
    """Return the names that a docstring has a :param for."""
    return re.findall(r":param (\w+):", text or "")


OUR_OWN = {"compression_level", "partition_columns", "uuid_namespace", "manifest_path", "ddl", "ddl_path"}
"""Fields of the spec that CloudQuery does not have."""

ROOT = Path(__file__).parents[2]
FIELDS = dict.fromkeys(SpecFields.model_fields, NOT_GIVEN)
OPERATOR = defaults_of(S3DestinationOperator.__init__)
HOOK = defaults_of(S3DestinationHook.load)
LOAD = {field.name: field.default for field in dataclasses.fields(LoadArguments) if field.name not in OF_THE_LOAD_ALONE}


def test_the_operator_takes_all_arguments_of_a_load_with_their_defaults() -> None:
    assert {name: OPERATOR[name] for name in LOAD} == LOAD


def test_the_hook_takes_all_arguments_of_a_load_and_all_fields_of_the_spec_with_their_defaults() -> None:
    expected = {name: LOAD[name] for name in LOAD.keys() - OF_THE_HOOK_S_INIT - NOT_OF_THE_HOOK}
    assert {"spec": None, "load_id": None, **expected, **FIELDS} == {**HOOK}
    built_with = defaults_of(S3DestinationHook.__init__)
    assert built_with == {name: LOAD[name] for name in OF_THE_HOOK_S_INIT}


def test_all_else_that_the_operator_takes_is_each_field_of_the_spec_and_what_is_named_here() -> None:
    others = {name: default for name, default in OPERATOR.items() if name not in LOAD}
    assert others == {**FIELDS, "spec": None, "asset": False}


def test_every_argument_but_asset_is_a_template_and_has_an_attribute() -> None:
    assert {*S3DestinationOperator.template_fields} == OPERATOR.keys() - {"asset"}
    arguments: dict[str, Any] = {"bucket": "lake", "path": "{{UUID}}", "format": "csv", "table": "t", "records": []}
    operator = S3DestinationOperator(task_id="load", asset=False, **arguments)
    for name in OPERATOR:
        attribute = "is_dry_run" if name == "dry_run" else name
        assert getattr(operator, attribute) == arguments.get(name, OPERATOR[name]) or name == "records"
    assert {*operator.template_fields} & FIELDS.keys() == {"bucket", "path", "format"}  # those that are given


def test_the_connection_s_form_asks_for_fields_of_the_spec_and_its_two_connections_alone() -> None:
    [described] = get_provider_info()["connection-types"]
    placeholders = described["ui-field-behaviour"]["placeholders"]
    assert {*described["conn-fields"]} - FIELDS.keys() == {"aws_conn_id", "console_url"}
    assert {*placeholders} - {*described["conn-fields"]} == {"extra"}


def test_the_documents_name_every_field_and_every_argument_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    options = readme.partition("## Options")[2].partition("\n## ")[0]
    rows = "".join(line.split("|")[1] for line in options.splitlines() if line.startswith("| `"))
    unused = options.partition("accepted and not used")[0].rpartition("\n\n")[2]
    assert {*re.findall(r"`(\w+)`", rows + unused)} == FIELDS.keys()
    goes_in = readme.partition("## What goes in")[2].partition("## Path template")[0]
    assert OPERATOR.keys() - FIELDS.keys() <= {*re.findall(r"`(\w+)(?:`|=)", goes_in)}
    cloudquery = (ROOT / "docs" / "cloudquery.md").read_text(encoding="utf-8")
    assert FIELDS.keys() - {*re.findall(r"`(\w+)`", cloudquery)} <= OUR_OWN


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (S3DestinationOperator.__doc__, list(OPERATOR)),
        (S3DestinationHook.load.__doc__, [*HOOK, "misspelt"]),
        (s3_destination_task.__doc__, ["python_callable", "multiple_outputs", "kwargs"]),
    ],
    ids=["operator", "hook", "decorator"],
)
def test_every_argument_is_documented(text: str | None, names: list[str]) -> None:
    assert sorted(documented(text)) == sorted(names)


def test_the_operator_s_documentation_marks_its_template_fields() -> None:
    texts = re.split(r":(?:param|return|raises)\b", S3DestinationOperator.__doc__ or "")[1:]
    marked = {text.split(":")[0].strip() for text in texts if text.rstrip().endswith("(templated)")}
    assert marked == set(S3DestinationOperator.template_fields)


def test_the_decorator_takes_what_its_documentation_says() -> None:
    refused = {"records", "staging_path", "staging_format"}
    assert "without ``records``, ``staging_path`` and ``staging_format``" in (s3_destination_task.__doc__ or "")
    arguments: dict[str, Any] = {"bucket": "lake", "path": "{{TABLE}}/{{UUID}}", "format": "csv", "table": "t"}
    for name in OPERATOR:
        value = arguments.get(name, OPERATOR[name])
        call: Any = s3_destination_task(**{**arguments, name: value})(list)
        if name in refused:
            with pytest.raises(SpecError, match=f"`{name}`: can't be given"):
                call()
        else:
            call()
