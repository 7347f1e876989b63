"""The arguments of the operator: their names, which of them are templates, and what they make of a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from inspect import signature
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.load.arguments import LoadArguments, misspelt_faults
from airflow_provider_s3dest.operators import references, templates
from airflow_provider_s3dest.operators.hidden_records import reveal
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, is_given

_PASSED_ON = (
    *("table", "columns", "schema", "atomic", "state_path", "delete_staging", "staging_format", "shard"),
    *("manifest", "on_bad_record", "max_bad_records", "quarantine_path", "s3_destination_conn_id", "aws_conn_id"),
)
"""Arguments that a load takes as they are."""

TEMPLATED = ("records", "staging_path", *_PASSED_ON, "dry_run", "spec", *SpecFields.model_fields)
"""Arguments in which Jinja is rendered: all but ``asset``."""

_ATTRIBUTES = {"dry_run": "is_dry_run"}
"""Arguments whose attribute has another name: ``BaseOperator`` has a method ``dry_run``, which Airflow would call."""


def attribute_of(argument: str) -> str:
    """Return the name of the attribute of the operator that holds an argument."""
    return _ATTRIBUTES.get(argument, argument)


def argument_of(attribute: str) -> str:
    """Return the name of the argument that an attribute of the operator holds."""
    return next((argument for argument, name in _ATTRIBUTES.items() if name == attribute), attribute)


def set_arguments(operator: Any, arguments: Mapping[str, Any]) -> None:
    """Set the attributes that hold the arguments, and the names of those in which Jinja is rendered.

    Airflow shows all of these in its UI and stores them: fields of the spec that were not given are left out.

    :param arguments: all arguments by their names; others beside them are passed over.
    """
    for name in ("asset", *TEMPLATED):
        setattr(operator, attribute_of(name), arguments[name])
    left_out = {name for name in SpecFields.model_fields if not is_given(arguments[name])}
    operator.template_fields = [attribute_of(name) for name in operator.template_fields if name not in left_out]


def templated(operator: Any) -> dict[str, Any]:
    """Return the arguments in which Jinja is rendered, by their names."""
    # A subclass may set a field of the spec later.
    late = [name for name in own_fields(operator) if name in type(operator).template_fields]
    return {argument_of(name): getattr(operator, name) for name in dict.fromkeys([*operator.template_fields, *late])}


def own_fields(operator: Any) -> dict[str, Any]:
    """Return the fields of the spec that are given as arguments by their own names."""
    fields = {name: getattr(operator, name) for name in SpecFields.model_fields}
    return {name: value for name, value in fields.items() if is_given(value)}


def load_arguments(
    operator: Any, fields: Mapping[str, Any], faults: Sequence[Fault], keeps_state: bool
) -> LoadArguments:
    """Return the arguments of the load.

    :param fields: the fields of the spec.
    :param faults: what was found to be wrong so far.
    :param keeps_state: whether Airflow keeps a state for each task instance.
    """
    origins = operator._records_from
    return LoadArguments(
        fields=fields,
        records=references.flat_records(reveal(operator.records), origins),
        staging_path=NOT_GIVEN if operator.staging_path is None else _staging_paths(operator),
        dry_run=operator.is_dry_run,
        keeps_state=keeps_state,
        written_path=operator._written_path,
        by_xcom=bool(origins) or templates.is_mapped_over_output("records", operator),
        sources={table: [one.task_id for one in outputs] for table, outputs in origins.items()},
        found=faults,
        **{name: getattr(operator, name) for name in _PASSED_ON},
    )


def _staging_paths(operator: Any) -> Any:
    """Return the staging paths; the instances of a mapped task give them as a lazy sequence."""
    path = operator.staging_path
    lazy = isinstance(path, Sequence) and not isinstance(path, (str, bytes, bytearray))
    return references.flattened(path) if lazy and operator._taken_whole["staging_path"] else path


def unknown_faults(operator_class: type, names: Iterable[str]) -> list[Fault]:
    """Return a fault for each name that is an argument of no class that an operator inherits from."""
    known = _known_arguments(operator_class)
    # What begins with "_" is Airflow's own.
    return list(misspelt_faults((one for one in names if one not in known and not one.startswith("_")), known))


def check_names(operator_class: type, task_id: Any, names: Iterable[str]) -> None:
    """Check that all names are arguments.

    :raises SpecError: with those that are not.
    """
    if misspelt := unknown_faults(operator_class, names):
        raise SpecError(misspelt, f"task {task_id!r}")


@lru_cache(maxsize=64)
def _known_arguments(operator_class: type) -> Mapping[str, None]:
    # The operator's own arguments first: of two near names, the first is guessed.
    methods = [vars(cls)["__init__"] for cls in operator_class.__mro__[:-1] if "__init__" in vars(cls)]
    parameters = [one for method in methods for one in [*signature(method).parameters.values()][1:]]
    return {one.name: None for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
