"""Requests to S3: their errors, retries, bodies and checksums, and how they are stopped."""
