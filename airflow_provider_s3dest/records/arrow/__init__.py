"""Records in Arrow's memory. Only these modules of the folder ``records`` need pyarrow.

Read in this order: ``pyarrow_import`` (imports it, or says what to install), ``chunk`` (record batches as chunks),
``values`` (Arrow arrays to exact Python values), ``types`` (Python values to Arrow types and arrays), ``cast`` (arrays
from one type to another without loss), ``extensions`` (what extension types mean), ``typed_table`` (one type for each
column of a table), ``safe_names`` (renames columns and fields for Athena).
"""
