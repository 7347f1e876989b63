"""Where records come from. Every source ends as a ``Table``: a stream of chunks with the same columns.

Records of a task: ``input_kinds`` (what the argument is), ``python_records`` (opens it), ``chunking`` (cuts a stream
into chunks), ``arrow_stream`` and ``pandas_frame`` (data frames), and the folder ``sql`` (queries and cursors).

Staged files: ``staging_path`` and ``staging_pattern`` (what a path may be, and which files it matches), ``file_stores``
and ``s3_files`` (where files lie), ``staging`` (lists files by table), ``staged_files`` and ``decompression`` (open
them), then one reader for each format: ``csv_file`` with ``csv_parser``, ``json_file``, ``arrow_file``. The readers of
text use ``text_lines`` (blocks of lines) and ``passthrough`` (text that needs no parsing). ``shards`` splits files
among several loads.

Both: ``columns`` finds and checks the columns of a table. ``source_file`` names a file in errors.
"""
