"""The demo must meet neither the user's Airflow nor the user's AWS: it would run, and write, in the wrong place."""

from __future__ import annotations

import os

_PREFIXES = ("AIRFLOW", "AWS_", "BOTO_")


def forget_the_users_settings() -> None:
    """Take what leads to Airflow and AWS out of the environment of this process and of those that it starts."""
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A proxy that serves the world does not serve 127.0.0.1.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
