"""What the harness must do differently on Airflow 2.11 and 3.x; nothing else in the tests asks for the version."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG

AIRFLOW_3 = not version("apache-airflow").startswith("2.")
KEEPS_STATE = hasattr(importlib.import_module("airflow.sdk"), "NEVER_EXPIRE") if AIRFLOW_3 else False


def make_runnable(dag: DAG) -> None:
    """Put an in-memory DAG where its run looks for it: on 3.x in the metadata database, on 2.11 nowhere."""
    if not AIRFLOW_3:
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    dagbag = _dagbag_module()
    bag = dagbag.DagBag(os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    dagbag.sync_bag_to_db(bag, "dags-folder", None)


def run_to_the_end(dag: DAG, logical_date: datetime | None, run_after: datetime, conf: dict[str, Any] | None) -> Any:
    """Run a DAG in this process and give back the row of its run, whose id is made of `run_after`."""
    dates: dict[str, Any]
    if AIRFLOW_3:
        dates = {"logical_date": logical_date, "run_after": run_after}
    else:
        if logical_date is None:
            raise ValueError("Every run of Airflow 2.11 has a logical date.")
        dates = {"execution_date": logical_date}
    return dag.test(run_conf=conf, **dates)


def xcom_table() -> Any:
    """Give the model of the metadata database's XCom table."""
    if AIRFLOW_3:
        from airflow.models.xcom import XComModel

        return XComModel
    from airflow.models.xcom import XCom

    return XCom


def xcom_value(row: Any) -> Any:
    """Give the value that a row of the XCom table holds; 2.11 has read it already when it loads the row."""
    if AIRFLOW_3:
        from airflow.providers.common.compat.sdk import XCom

        return XCom.deserialize_value(row)
    return row.value


@contextmanager
def structured_log(lines: list[str]) -> Iterator[None]:
    """Collect what is logged past the standard library's loggers, as all operators of 3.x do; on 2.11 nothing is."""
    if not AIRFLOW_3:
        yield
        return
    import structlog

    def collect(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        text = f"{event['level'].upper()} {event['event']}"
        error = event.get("exc_info")
        if error:
            cause = error if isinstance(error, BaseException) else sys.exc_info()[1]
            text += "\n" + "".join(traceback.format_exception(cause)).rstrip()
        lines.append(text)
        return event

    # In place, since loggers that are bound already hold this very list; before the last, which makes it text.
    processors = cast("list[structlog.typing.Processor]", structlog.get_config()["processors"])
    processors.insert(len(processors) - 1, collect)
    try:
        yield
    finally:
        processors.remove(collect)


def serialized(dag: DAG) -> dict[str, Any]:
    """Give a DAG as it is stored in the metadata database."""
    module: Any = importlib.import_module("airflow.serialization.serialized_objects")
    serialization = getattr(module, "DagSerialization", None) or module.SerializedDAG
    document: dict[str, Any] = serialization.to_dict(dag)
    return document


def parsed(folder: str) -> Any:
    """Parse the DAGs of a folder: the bag with its `dags` and `import_errors`."""
    return _dagbag_module().DagBag(folder, **({} if AIRFLOW_3 else {"include_examples": False}))


def _dagbag_module() -> Any:
    """Import the module of DagBag, which moved after 3.1."""
    moved = find_spec("airflow.dag_processing.dagbag")
    return importlib.import_module("airflow.dag_processing.dagbag" if moved else "airflow.models.dagbag")
