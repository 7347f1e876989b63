"""The arguments of a load are named alike, with the same defaults, in operator, decorator, hook and LoadArguments."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_s3dest.decorators.s3_destination import s3_destination_task
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators import s3_destination as operator_module
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


OPERATOR = defaults_of(S3DestinationOperator.__init__)
HOOK = defaults_of(S3DestinationHook.load)
LOAD = {field.name: field.default for field in dataclasses.fields(LoadArguments) if field.name not in OF_THE_LOAD_ALONE}


def test_the_operator_takes_all_arguments_of_a_load_with_their_defaults() -> None:
    assert {name: OPERATOR[name] for name in LOAD} == LOAD


def test_the_hook_takes_all_arguments_of_a_load_with_their_defaults() -> None:
    expected = {name: LOAD[name] for name in LOAD.keys() - OF_THE_HOOK_S_INIT - NOT_OF_THE_HOOK}
    assert {"spec": None, "load_id": None, **expected} == HOOK
    built_with = defaults_of(S3DestinationHook.__init__)
    assert built_with == {name: LOAD[name] for name in OF_THE_HOOK_S_INIT}


def test_all_else_that_the_operator_takes_is_a_field_of_the_spec_or_is_named_here() -> None:
    others = {name: default for name, default in OPERATOR.items() if name not in LOAD}
    fields = {name: default for name, default in others.items() if name in SpecFields.model_fields}
    assert fields == dict.fromkeys(fields, NOT_GIVEN)
    assert {name: default for name, default in others.items() if name not in fields} == {"spec": None, "asset": False}


def test_every_argument_of_the_operator_reaches_the_load() -> None:
    assert {*operator_module._ATTRIBUTES, "dry_run"} == OPERATOR.keys()
    assert LOAD.keys() == {*operator_module._PASSED_ON, "records", "staging_path", "dry_run"}
    assert set(operator_module._SPEC_FIELDS) == OPERATOR.keys() & SpecFields.model_fields.keys()
    assert set(S3DestinationOperator.template_fields) <= OPERATOR.keys()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (S3DestinationOperator.__doc__, list(OPERATOR)),
        (S3DestinationHook.load.__doc__, [*HOOK, "spec_fields"]),
        (s3_destination_task.__doc__, ["python_callable", "multiple_outputs", "kwargs"]),
    ],
    ids=["operator", "hook", "decorator"],
)
def test_every_argument_is_documented(text: str | None, names: list[str]) -> None:
    assert sorted(documented(text)) == sorted(names)


def test_the_operator_s_documentation_marks_its_template_fields() -> None:
    texts = re.split(r":(?:param|return|raises)\b", S3DestinationOperator.__doc__ or "")[1:]
    templated = {text.split(":")[0].strip() for text in texts if text.rstrip().endswith("(templated)")}
    assert templated == set(S3DestinationOperator.template_fields)


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
