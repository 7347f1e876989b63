"""What a load writes about its objects, once they are complete. Read in this order:

- ``sidecar``: the protocol that every sidecar follows.
- ``manifest``: one object that lists all objects of the load.
- ``ddl``: table definitions for Athena, Hive and Redshift.
"""
