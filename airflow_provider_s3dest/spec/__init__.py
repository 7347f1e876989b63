"""The destination spec: what a load writes, where and how. Only ``DestinationSpec`` is public.

Read in this order:

- ``fields``: the fields, with their types, defaults and descriptions. ``limits`` holds the limits of S3.
- ``destination``: ``DestinationSpec``, the validated spec, and how it is built from documents and arguments.
- ``rules``: finds all faults of a spec. It uses ``path_template`` (placeholders of ``path``), ``braces`` (where they
  begin and end), ``jinja`` (templates before they are rendered) and ``nested_texts`` (the texts inside a value).
- ``typed_texts``: the numbers and truth values that texts of Jinja and of connections stand for.
- ``path_matching``: what a path may have become, once Jinja is rendered or the placeholders are filled in.
- ``cloudquery``: reads documents of CloudQuery. ``json_schema``: writes the JSON Schema for editors.
- ``sentinels``: the marks "not given" and "not known".
"""

from airflow_provider_s3dest.spec.destination import DestinationSpec

__all__ = ["DestinationSpec"]
