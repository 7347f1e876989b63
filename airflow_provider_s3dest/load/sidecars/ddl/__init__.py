"""Writes table definitions, with which Athena, Hive and Redshift read the objects of a load. Read in this order:

- ``rules``: what the spec must be like; ``sql_types`` and ``table``: what a definition is made from.
- ``athena``, ``redshift``: the statements of each dialect.
- ``definitions``: the sidecar that holds the statements.

All rules follow the documentation that the modules name. None of it was run against AWS.
"""
