"""The decorator ``@task.s3_destination``: the operator, with a function that returns or yields the records."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators import arguments, templates
from airflow_provider_s3dest.operators.assets import outlets_for
from airflow_provider_s3dest.operators.references import FromFunction
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.sources.input_kinds import is_arrow

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context, TaskDecorator

    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook


class _S3DestinationDecoratedOperator(DecoratedOperator, S3DestinationOperator):
    """Call a function and deliver the records that it returns or yields.

    :param python_callable: the function.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *S3DestinationOperator.template_fields)
    custom_operator_name = "@task.s3_destination"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if faults := list(_faults(python_callable, kwargs)):
            raise SpecError(faults, f"task {kwargs.get('task_id')!r}")
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, records=FromFunction(), **kwargs
        )

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        late = templates.data_op_kwargs(self, context) if parent is self else set()
        if not late:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            return
        all_kwargs = self.op_kwargs
        self.op_kwargs = {name: value for name, value in all_kwargs.items() if name not in late}
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        self.op_kwargs = {**all_kwargs, **self.op_kwargs}  # in the order in which they are given

    def _arguments_of_run(self, context: Context, hook: S3DestinationHook) -> LoadArguments:
        # The function may run for hours: faults of the other arguments are raised first.
        hook.check(super()._arguments_of_run(context, hook), {"records"})
        replaced = {name: context.get(name) for name in self.op_kwargs if name in context}
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        context_merge(context, replaced)  # an argument named `ti` is the function's; the load has Airflow's
        records = self.python_callable(*self.op_args, **kwargs)
        tables = records if isinstance(records, Mapping) and not is_arrow(records) else {self.table: records}
        if without_records := [table for table, of_table in tables.items() if of_table is None]:
            raise SpecError([self._none_fault(table) for table in without_records])
        self.records = records
        return super()._arguments_of_run(context, hook)

    def _none_fault(self, table: str | None) -> Fault:
        of_table = "" if table is None else f" for table {table!r}"
        problem = f"is None{of_table}: the function of task {self.task_id!r} returned nothing."
        return Fault("records", problem, "Return or yield records, an empty list for none.")


def _faults(function: Callable[..., Any], arguments: Mapping[str, Any]) -> list[Fault]:
    faults = [
        Fault(name, "can't be given: the function returns the records.", "Leave it out.")
        for name in ("records", "staging_path", "staging_format")
        if name in arguments
    ]
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        faults.append(Fault("python_callable", "is async.", "Write `def`, and asyncio.run() around what must await."))
    return faults


def s3_destination_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """Make a function a task that writes the function's records to S3 as they come, with no XCom in between.

    The function returns or yields what the operator takes as ``records``: mappings, a mapping of table name to
    mappings, or anything with ``__arrow_c_stream__``, alone or one after the other. The task returns the report of
    what was written.

    :param python_callable: the function.
    :param multiple_outputs: push each entry of the report also as an XCom of its own. The return annotation of the
        function does not set it, since the function returns records and not the report.
    :param kwargs: arguments of :class:`~airflow_provider_s3dest.operators.s3_destination.S3DestinationOperator`,
        without ``records``, ``staging_path`` and ``staging_format``.

    Example::

        @task.s3_destination(table="orders", bucket="lake", path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.csv", format="csv")
        def orders():
            for number in range(1_000_000):
                yield {"id": number}


        orders()
    """
    arguments.check_names(_S3DestinationDecoratedOperator, kwargs.get("task_id"), kwargs)
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=_S3DestinationDecoratedOperator,
        **{**kwargs, **outlets_for(kwargs)},
    )
