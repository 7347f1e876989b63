"""Requests to S3: how they are sent, retried, explained and stopped. Knows no load, no table and no record.

Read in this order:

- ``requests``: sends one request, with retries and with errors that name it.
- ``retries``: repeats requests as often as the client's settings allow, and counts what botocore repeats.
- ``errors``: turns an error of boto3 into one that names the request, the cause and the remedy.
- ``body`` and ``checksum``: the bytes of an object on their way, and the sums that identify them.
- ``uri``: the bucket and the key of a URI.
- ``stop``: the flag that stops a load, and the gate that lets no request through after that.
"""
