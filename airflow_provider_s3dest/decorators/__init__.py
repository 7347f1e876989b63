"""The decorator ``@task.s3_destination``, in ``s3_destination``: the operator, with a function for its records."""
