"""Delivers a load's objects so that each record lies in S3 once, whatever became of earlier tries.

A load is that of one task instance, over all of its tries. What it may have written is kept in a record: which names,
and which multipart uploads. The record goes ahead of the objects, each write of it is fenced, so that a try that was
superseded by a newer one learns of it, and names derive from counts, so that the record stays small.

- ``record`` is that record, and how it changes.
- ``state`` says what a place to keep it must do; ``s3_state`` keeps it as an object of S3. (Airflow's task state store,
  which also can, is known to the operator only.)
- ``sweep`` aborts uploads and deletes objects.
- ``tries`` takes a load through its steps: claim, reserve, publish, commit.
"""
