"""S3 servers that the tests start for themselves."""

from tests.servers.endpoint import Bucket, S3Endpoint
from tests.servers.moto_server import MotoServer
from tests.servers.seaweedfs import SeaweedFS

__all__ = ["Bucket", "MotoServer", "S3Endpoint", "SeaweedFS"]
