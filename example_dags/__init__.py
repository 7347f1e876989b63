"""Example DAGs of the S3 destination: they ship in the wheel and show in Airflow when it loads examples."""
