"""Runs one load, from its arguments to its report, without Airflow. Read in this order:

- ``arguments``: the arguments of a load and their rules; with ``columns``, ``schema``, ``state_path`` and
  ``quarantine_rules``.
- ``plan``: all that is decided before the first request; ``inputs``: the tables that are read.
- ``deliver``: claims the load, runs it and deletes staged files; ``run``: writes the tables and reports.
- ``transforms``, ``table_writer``, ``partitioning``, ``quarantine``, ``dry_run``, ``progress``: what ``run`` uses.
- ``sidecars``: what is written about the objects: a manifest, table definitions.
"""
