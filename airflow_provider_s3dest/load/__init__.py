"""One load, from its arguments to its report."""
