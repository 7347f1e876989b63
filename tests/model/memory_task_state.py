"""A task state store in memory, which answers as that of Airflow 3.3 does."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse


class MemoryTaskState:
    """The values of one task instance over all its attempts, reached by the id of the attempt that is current."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.current = 0

    def fork(self) -> MemoryTaskState:
        """Return a store that holds the same, and changes by itself from now on."""
        other = MemoryTaskState()
        other.values, other.current = dict(self.values), self.current
        return other

    def begin(self, number: int) -> None:
        """Let an attempt be the current one, as Airflow does before it runs it."""
        self.current = number

    def get(self, number: int, key: str) -> Any:
        return self.values.get(key) if number == self.current else None

    def set(self, number: int, key: str, value: Any) -> None:
        if number != self.current:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404}))
        self.values[key] = value

    def delete(self, number: int, key: str) -> None:
        if number != self.current:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 404}))
        self.values.pop(key, None)


def out_of_order() -> AirflowRuntimeError:
    """Make the error of a store that can't be reached."""
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 503}))
