"""Turns chunks of records into the bytes of objects: encodes, cuts into batches, compresses. Sends nothing.

Read in this order:

- ``encoders``: chooses the encoder that a destination spec asks for.
- ``encoding``: what the encoders have in common: encoded records, and errors that name the value at fault.
- ``csv``, ``csv_dialect``, ``json``, ``parquet``: one encoder each. ``bulk_csv`` is a quicker way for plain records.
- ``arrow``: quicker ways from Arrow data to CSV and JSON, with the same bytes.
- ``batching``: cuts encoded records into batches, one an object.
- ``compression``: compresses the bytes of an object.
"""
