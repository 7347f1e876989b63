"""Where records come from: Python values and staged files, read into tables of chunks."""
