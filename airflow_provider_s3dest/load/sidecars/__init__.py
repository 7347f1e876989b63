"""What a load writes about its objects: ``sidecar`` says what a sidecar must do; ``manifest`` and ``ddl`` are two."""
