"""The readers, each with the types and options that a careful user gives."""
