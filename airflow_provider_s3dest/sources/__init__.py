"""Where records come from. Every source ends as a ``Table``: a stream of chunks with the same columns.

Records of a task: ``input_kinds`` (what the argument is), ``python_records`` (opens it), ``chunking`` (cuts a stream
into chunks), ``arrow_stream`` and ``pandas_frame`` (a data frame), ``frame_stream`` (several of them), and the folder
``sql`` (queries and cursors).

Staged files: ``staging_path``, ``staging_pattern`` and ``glob_tokens`` (what a path may be, and which files it
matches), ``file_stores`` and ``s3_files`` (where files lie), ``staging`` (lists files by table), ``staged_files`` and
``decompression`` (open them), then one reader for each format: ``csv_file`` with ``csv_columns``, ``csv_parser`` and
``csv_grammar``, ``json_file`` and ``json_documents``, ``arrow_file`` with ``parquet_types`` and ``parquet_footer``.
``staging_format`` holds the options of text. The readers of text use ``encodings`` (text that is not UTF-8),
``text_lines`` (blocks of lines) and ``passthrough`` (text that needs no parsing). ``shards`` splits files among several
loads.

Records that came through Airflow's XCom: ``xcom_values``.

Both: ``columns`` finds and checks the columns of a table. ``source_file`` names a file in errors.
"""
