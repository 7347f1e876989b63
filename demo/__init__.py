"""The demo: the nycflights example DAG in a real DAG run against an embedded S3, and its result held to the source.

``python -m demo`` runs and checks it (``make demo``); ``python -m demo ui`` shows it in the UI (``make demo-ui``).
Nothing here uses the code of the provider: what the demo says of its result, it found out by itself.
"""
