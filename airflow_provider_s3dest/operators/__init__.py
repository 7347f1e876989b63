"""The operator, and what it adds to a load of the hook under Airflow.

- ``s3_destination`` is the operator; start here.
- ``arguments`` names its arguments, and makes those of a load of them.
- ``references`` finds the outputs of other tasks among its arguments, ``hidden_records`` keeps literal records out of
  Airflow's database, ``templates`` tells templates from data, ``rendering`` renders Jinja beside placeholders.
- ``sql_to_s3_destination`` is the operator for queries; ``queries`` checks and renders them.
- ``parse_time_checks`` checks arguments while the DAG is parsed, ``mapping`` checks mapped tasks in the run.
- ``run_date`` finds the date that a run is about.
- ``task_state_store`` keeps the state of a load in Airflow.
- ``outcome`` holds what a load wrote; ``assets``, ``lineage``, ``links`` and ``metrics`` report it.
"""
