"""The records on their way from a source to an encoder; sources make these values, formats read them.

Read in this order: ``chunks`` (a few consecutive records, in one of several forms), ``table`` (a stream of chunks
with the same columns), ``values`` and ``durations`` (each Python type's form in JSON and CSV), ``nesting`` (how deep
a value may be nested, and how often it may repeat its parts), ``bad_records`` (isolates and quarantines records that
can't be delivered), ``many_records`` (recognizes what is never one bad record), ``safe_names`` (renames keys for
Athena), and the folder ``arrow`` (the same for data in Arrow's memory).
"""
