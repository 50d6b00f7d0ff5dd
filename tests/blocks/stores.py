"""The kinds of storage that shards are sent over, for the tests: empty, and each with what it says of bad luck."""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from blocks.storage import Storage
from tests.blocks.aws_emulators import KEYS

BLOCK = "s3-bucket/shards"


def bucket(address: str, name: str | None = None, keys: tuple[str, str] | None = None, **client: Any) -> Any:
    """An `s3-bucket` block, as the documentation says to make one; a new bucket where none is named."""
    from prefect_aws import AwsClientParameters, AwsCredentials, S3Bucket

    if name is None:
        name = f"shards-{uuid.uuid4().hex[:8]}"
        s3_client(address).create_bucket(Bucket=name)
    key, secret = keys or (KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"])
    credentials = AwsCredentials(
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=KEYS["region_name"],
        aws_client_parameters=AwsClientParameters(endpoint_url=address, **client),
    )
    return S3Bucket(bucket_name=name, bucket_folder="tes", credentials=credentials)


def s3(address: str, name: str | None = None, keys: tuple[str, str] | None = None, **client: Any) -> Storage:
    """The same as a storage."""
    return Storage(bucket(address, name, keys, **client), BLOCK)


def s3_client(address: str, service: str = "s3") -> Any:
    import boto3

    return boto3.client(service, endpoint_url=address, **KEYS)


@contextlib.contextmanager
def answering(first: bytes, *, then_close: bool) -> Iterator[str]:
    """A server that answers all with these bytes, and then closes, or says nothing more: its address."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            with contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(first)
            if not then_close:
                over.wait()

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed: it is over
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
