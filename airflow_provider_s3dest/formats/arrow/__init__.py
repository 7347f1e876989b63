"""Encodes Arrow data as CSV and JSON a column at a time, to the same bytes as the record encoders beside this folder.

Read in this order:

- ``encoder``: chooses between these encoders and the record encoders, chunk by chunk.
- ``csv`` and ``json``: put the fields of a chunk together.
- ``text``: formats the values of a column as text.
"""
