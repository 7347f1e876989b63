"""Runs one load, from its arguments to its report, without Airflow. Read in this order:

- ``arguments``: what a load is asked to do, and every rule about it; with ``columns``, ``schema``, ``state_path`` and
  ``quarantine_rules``.
- ``plan``: what is decided before the first request; ``inputs``: the tables that are read.
- ``deliver``: claims the load, runs it and deletes staged files; ``run``: tables to objects to the report.
- ``transforms``, ``table_writer``, ``partitioning``, ``quarantine``, ``dry_run``, ``progress``: what ``run`` uses.
- ``sidecars``: what is written about the objects: a manifest, table definitions.
"""
