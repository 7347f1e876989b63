"""Holds what is stored still across versions: what a load writes, and what the next attempt makes of an earlier one's.

`recorded_loads.json` and `recorded_worlds/` were written by commit ee1c1d0, before the first release. They are never
written anew to make a test pass: a difference means that a retry which spans an upgrade doubles or loses records.
"""
