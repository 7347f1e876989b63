"""The flag that stops a load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_s3dest.errors import LoadStoppedError
from airflow_provider_s3dest.s3.stop import StopFlag

HAMMER = """
import signal, time
from airflow_provider_s3dest.s3.stop import StopFlag as Flag

flag, handled = Flag(), 0

def on_signal(number, frame):
    global handled
    handled += 1
    flag.set()

signal.signal(signal.SIGALRM, on_signal)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
end = time.monotonic() + 1
while time.monotonic() < end or handled < 500:
    flag = Flag()
    while not flag.is_set():
        flag.wait(0.0)
    flag = Flag()
    flag.wait(30)
    assert flag.is_set()
signal.setitimer(signal.ITIMER_REAL, 0)
print(handled)
"""


def test_a_signal_handler_sets_it_wherever_the_main_thread_waits() -> None:
    # In a process of its own: a handler that waits for a lock which the main thread holds never ends.
    done = subprocess.run([sys.executable, "-c", HAMMER], capture_output=True, text=True, timeout=60, check=True)

    assert int(done.stdout) >= 500


def test_who_waits_goes_on_once_it_is_set() -> None:
    stop = StopFlag()
    stop.wait(0)
    stop.check()

    stop.set()

    stop.wait(3600)
    with pytest.raises(LoadStoppedError, match="killed or ran out of time"):
        stop.check()
