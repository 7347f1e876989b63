"""The hook, which connects a load with Airflow's connections.

- ``s3_destination`` is the hook; start here.
- ``connected_hook`` is the part of it that knows its connections.
- ``connection`` reads a connection of type ``s3_destination``; ``connection_form`` is its form before Airflow 3.2;
  ``connection_test`` writes an object and removes it.
- ``aws_client`` builds the boto3 client from the AWS connection, and explains why one can't be built.
- ``sql_connection`` finds the hook of a SQL connection.
- ``object_storage`` reads staged files of any scheme that Airflow knows.
"""
