"""Reads back what the provider wrote, with the readers that people use, and holds every value to what went in.

``make fidelity`` runs it: a matrix of kinds of values, input lanes, formats and readers, and three real corpora.

- ``kinds``: the values, each kind with its edges, and how a user spells them in staged text
- ``lanes``: the ways in
- ``loading``: the load, by the hook, to an S3 server, and its objects as local files
- ``readers/``: the readers, each with the types that a careful user declares
- ``verdicts``: whether what was read is what went in
- ``explanations``: the one place that says why a cell is not equal, and what helps
- ``matrix``: all cells; ``corpora``: whole data sets; ``document``: the page
- ``files/``: a folder of files of any user, by ``make corpora``
"""
