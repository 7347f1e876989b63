"""Delivers the objects of a load so that each record is in S3 exactly once, whatever earlier attempts did.

The state of a load names what its attempts may have written: ranges of batch numbers, and open multipart uploads. It is
written before the objects. Every write of the state is fenced: an attempt can't write it once a newer attempt has
claimed the load.

Read in this order:

- ``objects``, ``partitions``, ``keys``: batches and objects, and the keys that derive from the identity of a load.
- ``attempt``, ``load_state``, ``state_store``, ``s3_state_store``: who writes, the state, and where it is kept.
- ``delivery``: the steps claim, reserve, publish, commit; with ``fence``, ``open_uploads`` and ``sweeper``.
- ``object_writer``, ``uploader``: what a load writes to; with ``worker_pool``, ``object_requests``, ``object_upload``
  and ``multipart``. ``daemon_threads`` runs the requests.
"""
