"""Delivers the objects of a load so that each record lies in S3 once, whatever became of earlier attempts.

The state of a load says what its attempts may have written: ranges of batch numbers, and open multipart uploads. The
state is written before the objects. Each write of it is fenced: an attempt that was superseded by a newer one can't
write it.

Read in this order:

- ``objects``, ``partitions``, ``keys``: batches and objects, and the keys that follow from the identity of a load.
- ``attempt``, ``load_state``, ``state_store``, ``s3_state_store``: who writes, the state, and where it is kept.
- ``delivery``: the steps claim, reserve, publish, commit; with ``fence``, ``open_uploads`` and ``sweeper``.
- ``object_writer``, ``uploader``: what a load writes to; with ``worker_pool``, ``object_requests``, ``object_upload``
  and ``multipart``.
"""
