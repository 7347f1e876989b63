"""Records on their way: values, chunks of records, tables of chunks, and what becomes of a bad record."""
