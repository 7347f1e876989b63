"""What the provider adds to ``@task``."""
