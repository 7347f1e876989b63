"""The real delivery against an S3 and a task state store in memory, and a scheduler that decides who goes on.

At each request of an attempt, another attempt may run, and this one may crash, fail or be stopped.
``S3DEST_CHAOS=1`` in the environment runs many times as many schedules.
"""

import os

CHAOS = os.environ.get("S3DEST_CHAOS") == "1"
