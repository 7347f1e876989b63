"""Runs a folder of files, of any user, through every format of the provider, and holds what comes out to what went in.

``make corpora CORPORA=folder`` runs it. Read in this order:

- ``outcomes``: what can become of a file.
- ``__main__``: finds the files, starts a process for each, prints the table.
- ``one_file``: loads one file in every way, and compares.
- ``originals``: reads the file itself, with readers that have nothing to do with the provider.
- ``written``: reads the objects.
- ``sameness``: whether two values are the same.
"""
