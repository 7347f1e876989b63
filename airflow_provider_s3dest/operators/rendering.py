"""Renders Jinja in the operator's arguments and in literal records, beside placeholders that stay as they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.operators.hidden_records import reveal
from airflow_provider_s3dest.operators.references import outputs_in
from airflow_provider_s3dest.safe_text import has_credentials
from airflow_provider_s3dest.sources.xcom_values import fixed_offset_error
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.jinja import has_opener, undeclared_names
from airflow_provider_s3dest.spec.nested_texts import nested_texts

if TYPE_CHECKING:
    import jinja2

_UNDEFINED = re.compile(r"'(\w+)' is undefined")


def render_text(
    text: str,
    arguments: Mapping[str, Any],
    context: Any,
    environment: jinja2.Environment,
    render: Callable[[jinja2.Environment], Any],
) -> Any:
    """Render a text of an argument.

    :param arguments: all arguments that may hold the text, so that an error can name the one that does.
    :param render: renders the text in an environment.
    :raises SpecError: at Jinja that can't be rendered, and at a placeholder that is misused or misspelt.
    """
    if "{" not in text or not path_template.has_jinja(text):
        return text if _is_native(environment) else render(_keeping_placeholders(environment))
    from jinja2 import TemplateError

    environment = _keeping_placeholders(environment)
    try:
        faults = list(path_template.misuses(text, environment=environment))
        # A DAG may render undefined names as nothing. A misspelt placeholder must fail all the same.
        for name in undeclared_names(text, environment) - environment.globals.keys():
            if path_template.looks_like_a_placeholder(name) and name not in context:
                faults.append(path_template.unknown_name(name))
        if not faults:
            return render(environment)
    except TemplateError as error:
        raise SpecError([_fault(text, _argument_of(text, arguments), error)]) from error
    raise SpecError([replace(fault, key=_argument_of(text, arguments)) for fault in faults])


def _is_native(environment: jinja2.Environment) -> bool:
    """Return whether rendering may change the type of a text, such as the table "2026" into a number."""
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
        texts = jinja_texts(reveal(value)) if name == "records" else (inner for _, inner in nested_texts(value))
        if text in texts:
            return name
    return "template"


def mask_credentials(values: Iterable[Any]) -> None:
    """Have Airflow mask the texts with credentials in them, before it shows the arguments of the task.

    A load refuses them, but Airflow stores what templated fields hold before the load begins.
    """
    for _, text in nested_texts([*values]):
        if "://" in text and has_credentials(text):
            _masker().mask_secret(text)


def _masker() -> Any:
    """Return the module of Airflow that masks secrets; the compatibility provider has it from 1.21 on only."""
    try:
        return import_module("airflow.sdk.log")
    except ImportError:  # Airflow 2
        return import_module("airflow.utils.log.secrets_masker")


def jinja_texts(records: Any) -> Iterator[str]:
    """Yield the texts of literal records that :func:`render_records` renders, in no particular order."""
    waiting: list[Iterable[Any]] = [[records]]
    seen: set[int] = set()  # a list may hold itself
    while waiting:
        for one in waiting.pop():
            cls = type(one)
            if cls is str:
                if "{" in one and has_opener(one):  # the quick check first, since there may be millions of texts
                    yield one
            elif (cls is dict or cls is list or cls is tuple) and id(one) not in seen:
                seen.add(id(one))
                waiting.append(one.values() if cls is dict else one)


def render_references(content: Any, render: Callable[[], Any]) -> Any:
    """Render what is no text: Airflow replaces the references in it by the outputs of tasks.

    :raises SpecError: if Airflow can't read an output, for a reason that is known.
    """
    try:
        return render()
    except ValueError as error:
        outputs = [output.task_id for output in outputs_in(content)]
        raise fixed_offset_error(error, outputs) or error from error


def render_records(records: Any, render: Callable[[str], Any]) -> Any:
    """Render the texts of literal records that hold Jinja, and leave all others as they are.

    Jinja removes the line end of a text that ends with one. So only texts with Jinja go through it.
    """
    if isinstance(records, str):
        return render(records) if has_opener(records) else records
    if type(records) in (list, tuple):
        return type(records)(render_records(item, render) for item in records)
    if type(records) is dict:
        return {key: render_records(item, render) for key, item in records.items()}
    return records
