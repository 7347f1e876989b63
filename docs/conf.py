"""How Sphinx builds these documents: Markdown pages, and a reference from the docstrings of the sources."""

from pathlib import Path

project = "airflow-provider-s3dest"
author = "The airflow-provider-s3dest authors"
copyright = author

extensions = ["myst_parser", "autoapi.extension"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # a link to a file of the repository, which is no page of the site
    "autoapi.python_import_resolution",  # a constant of a tuple assignment, of which nothing is documented
]

html_theme = "furo"
html_title = "S3 destination for Airflow"

# The reference is read from the sources, so that neither Airflow nor the package has to be installed.
autoapi_dirs = [str(Path(__file__).parent.parent / "airflow_provider_s3dest")]
autoapi_generate_api_docs = False
autoapi_add_toctree_entry = False
autoapi_keep_files = False
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
