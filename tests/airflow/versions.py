"""What the harness must do differently on Airflow 2.11 and 3.x; nothing else in the tests asks for the version."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG

AIRFLOW_3 = not version("apache-airflow").startswith("2.")
UNREADABLE_IS_MISSING = version("apache-airflow").startswith("3.1.")  # of connections in the environment
KEEPS_STATE = hasattr(importlib.import_module("airflow.sdk"), "NEVER_EXPIRE") if AIRFLOW_3 else False


def make_runnable(dag: DAG) -> None:
    """Put an in-memory DAG into the metadata database: a run of 3.x looks there for it, one of 2.11 for its assets."""
    if not AIRFLOW_3:
        legacy_dag: Any = dag
        legacy_dag.bulk_write_to_db([dag])
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


def asset_events(dag_id: str, run_id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the asset events of a run: task, URI and extra, in the order of their coming."""
    from airflow.utils.session import create_session

    module: Any = importlib.import_module("airflow.models.asset" if AIRFLOW_3 else "airflow.models.dataset")
    event = module.AssetEvent if AIRFLOW_3 else module.DatasetEvent
    with create_session() as session:
        found = session.query(event).filter(event.source_dag_id == dag_id, event.source_run_id == run_id)
        return [(one.source_task_id, one.uri, one.extra) for one in found.order_by(event.id)]


def xcom_table() -> Any:
    """Return the model of the metadata database's XCom table."""
    if AIRFLOW_3:
        from airflow.models.xcom import XComModel

        return XComModel
    from airflow.models.xcom import XCom

    return XCom


def xcom_value(row: Any) -> Any:
    """Return the value that a row of the XCom table holds; 2.11 has read it already when it loads the row."""
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
    """Return a DAG as it is stored in the metadata database."""
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


class ConnectionForm(Protocol):
    """The form of our connection type, as a browser gets it and sends it."""

    fields: Collection[str]

    def save(self, conn_id: str, **filled_in: Any) -> None:
        """Fill fields in, leave the others as they are, and save."""
        ...


@contextmanager
def connection_form() -> Iterator[ConnectionForm]:
    """Open the form for a new connection, with the real web server of the version."""
    if AIRFLOW_3:
        from airflow.api_fastapi.app import create_app
        from fastapi.testclient import TestClient

        with TestClient(create_app(apps="core")) as client:
            client.headers["Authorization"] = f"Bearer {client.get('/auth/token').json()['access_token']}"
            yield _ApiForm(client)
    else:
        legacy: Any = importlib.import_module("airflow.www.app")
        app = legacy.create_app(config={"WTF_CSRF_ENABLED": False}, testing=True)
        app.config["AUTH_ROLE_PUBLIC"] = "Admin"
        yield _PageForm(app.test_client())


class _ApiForm:
    """That of 3.x: JavaScript makes one JSON document of all fields, null where nothing was filled in."""

    def __init__(self, client: Any) -> None:
        self._client = client
        [described] = [
            one for one in client.get("/ui/connections/hook_meta").json() if one["connection_type"] == "s3_destination"
        ]
        self._empty = {name: field["value"] for name, field in described["extra_fields"].items()}
        self.fields: Collection[str] = self._empty.keys()

    def save(self, conn_id: str, **filled_in: Any) -> None:
        extra = json.dumps({**self._empty, **filled_in})
        document = {"connection_id": conn_id, "conn_type": "s3_destination", "host": "", "login": "", "extra": extra}
        answer = self._client.post("/api/v2/connections", json=document)
        assert answer.status_code == 201, answer.text


class _PageForm:
    """That of 2.11: a page with one text field or box for each."""

    _prefix = "extra__s3_destination__"

    def __init__(self, client: Any) -> None:
        self._client = client
        page = client.get("/connection/add").text
        self.fields: Collection[str] = set(re.findall(rf'name="{self._prefix}(\w+)"', page))

    def save(self, conn_id: str, **filled_in: Any) -> None:
        sent = {f"{self._prefix}{name}": "" for name in self.fields if name != "no_rotate"}
        for name, value in filled_in.items():
            text = "y" if value is True else value if isinstance(value, str) else json.dumps(value)
            sent[f"{self._prefix}{name}"] = text
        answer = self._client.post("/connection/add", data={"conn_id": conn_id, "conn_type": "s3_destination", **sent})
        assert answer.status_code == 302, "the form was not taken"


@contextmanager
def openlineage_listening() -> Iterator[None]:
    """Let OpenLineage's listener hear of the tasks that run in this process."""
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener

    of_tasks = importlib.util.find_spec("airflow.sdk.listener") if AIRFLOW_3 else None
    module: Any = importlib.import_module("airflow.sdk.listener" if of_tasks else "airflow.listeners.listener")
    manager = module.get_listener_manager()

    def listening() -> list[Any]:
        return [one for one in manager.pm.get_plugins() if isinstance(one, OpenLineageListener)]

    if not listening():  # it is there already if this process looked for plugins while OpenLineage was set up
        manager.add_listener(OpenLineageListener())  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for one in listening():
            manager.pm.unregister(one)


def await_assets(dag: DAG) -> None:
    """Let the scheduler run a DAG, which is in the metadata database, for the events of its assets."""
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    make_runnable(dag)
    with create_session() as session:
        session.query(DagModel).filter(DagModel.dag_id == dag.dag_id).update({"is_paused": False})


def due_for_assets() -> list[str]:
    """Return the ids of the DAGs that the scheduler is to run next, for asset events that have come."""
    from airflow.utils.session import create_session

    module: Any = importlib.import_module("airflow.models.asset" if AIRFLOW_3 else "airflow.models.dataset")
    queue = module.AssetDagRunQueue if AIRFLOW_3 else module.DatasetDagRunQueue
    with create_session() as session:
        return [one.target_dag_id for one in session.query(queue)]
