"""Renders Jinja in the operator's arguments, beside placeholders that stay, and says what can't be rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.operators.held_records import jinja_in, release
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.jinja import undeclared_names
from airflow_provider_s3dest.spec.nested_texts import nested_texts

if TYPE_CHECKING:
    import jinja2

_LIKE_A_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*")
_UNDEFINED = re.compile(r"'(\w+)' is undefined")


def render_text(
    text: str,
    arguments: Mapping[str, Any],
    context: Any,
    environment: jinja2.Environment,
    render: Callable[[jinja2.Environment], Any],
) -> Any:
    """Render a text of an argument.

    :param arguments: all that may hold the text, to name the one that does.
    :param render: renders in the environment that it is given.
    :raises SpecError: at Jinja that can't be rendered, and at a placeholder that is misused or misspelt.
    """
    if "{" not in text or not path_template.has_jinja(text):
        return text if _is_native(environment) else render(_keeping_placeholders(environment))
    from jinja2 import TemplateError

    environment = _keeping_placeholders(environment)
    try:
        faults = list(path_template.misuses(text, environment=environment))
        # Where the DAG renders undefined names as nothing, a misspelt placeholder must not become that.
        for name in undeclared_names(text, environment) - environment.globals.keys():
            if _LIKE_A_PLACEHOLDER.fullmatch(name) and name not in context:
                faults.append(path_template.unknown_name(name))
        if not faults:
            return render(environment)
    except TemplateError as error:
        raise SpecError([_fault(text, _argument_of(text, arguments), error)]) from error
    raise SpecError([replace(fault, key=_argument_of(text, arguments)) for fault in faults])


def _is_native(environment: jinja2.Environment) -> bool:
    """Say whether rendering a text may make something else of it, such as a number of the table "2026"."""
    from jinja2.nativetypes import NativeEnvironment

    return isinstance(environment, NativeEnvironment)


def _keeping_placeholders(environment: jinja2.Environment) -> jinja2.Environment:
    environment = environment.overlay()
    environment.globals = {**environment.globals, **path_template.jinja_globals()}
    return environment


def _fault(text: str, argument: str, error: Exception) -> Fault:
    if undefined := _UNDEFINED.match(str(error)):
        return path_template.undefined_name(undefined[1], text, argument)
    remedy = "Correct it; a run without a logical date has no `ds`."
    return Fault(argument, f"{short(text)} can't be rendered: {error}.", remedy)


def _argument_of(text: str, arguments: Mapping[str, Any]) -> str:
    for name, value in arguments.items():
        texts = jinja_in(release(value)) if name == "records" else (inner for _, inner in nested_texts(value))
        if text in texts:
            return name
    return "template"
