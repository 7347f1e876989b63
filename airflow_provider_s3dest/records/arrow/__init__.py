"""The same for Arrow data: chunks, types, exact casts."""
