"""Lets all attempts of a schedule run in one thread, since a switch between threads costs more than most requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

from airflow_provider_s3dest.delivery import delivery as steps
from airflow_provider_s3dest.delivery import sweeper
from airflow_provider_s3dest.operators import task_state_store
from airflow_provider_s3dest.s3 import retries, stop

GREENLET = import_module("greenlet")
"""Imported so because it has no types."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the product start no threads, and keep apart for each attempt what it keeps for each thread."""
    with ExitStack() as stack:
        for module in (sweeper, task_state_store):
            stack.enter_context(patch.object(module, "DaemonThreads", InlineExecutor))
        stack.enter_context(patch.object(steps, "briefly", lambda call: call()))
        stack.enter_context(patch.object(retries, "_call", OfAttempt()))
        stack.enter_context(patch.object(stop, "_thread", OfAttempt()))
        yield


class InlineExecutor:
    """An executor that runs each call at once."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **keywords))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_: Any) -> None:
        """Do nothing: no call is under way."""


class OfAttempt:
    """Stands for ``threading.local()`` where each attempt is a greenlet."""

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(GREENLET.getcurrent())[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        vars(GREENLET.getcurrent())[name] = value
