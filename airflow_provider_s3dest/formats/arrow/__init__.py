"""Writes Arrow data a column at a time."""
