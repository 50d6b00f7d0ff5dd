"""A place that two machines reach: a folder they share, or any Prefect block that reads and writes paths."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from domain.errors import SpecError, Unavailable


class Storage:
    """Bytes by path; `name` is what `storage_named` takes. Writing the same path again replaces what was there. A place
    that does not answer is `Unavailable`."""

    def __init__(self, block: Any, name: str) -> None:
        self._block, self.name = block, name

    async def put(self, path: str, content: bytes) -> None:
        """Writes; what was there is replaced."""
        try:
            await _awaited(self._block.write_path(path, content))
        except Exception as error:  # each kind of block has its own SDK, and its errors
            raise self._down("written to", error) from error

    async def get(self, path: str) -> bytes | None:
        """What is at the path; None when nothing is."""
        try:
            found: bytes = await _awaited(self._block.read_path(path))
        except Exception as error:
            if _says_absent(error):
                return None
            raise self._down("read", error) from error
        return found

    def _down(self, what: str, error: Exception) -> Unavailable:
        return Unavailable(
            f"the storage {self.name} cannot be {what}: {type(error).__name__}: {error}",
            fix="look at tests.distribute.storage: its block, its rights, its space",
        )


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _says_absent(error: Exception) -> bool:
    """Absence as the blocks say it: fsspec and GCS raise FileNotFoundError or NotFound, LocalFileSystem ValueError,
    S3 a ClientError with a code."""
    if isinstance(error, FileNotFoundError) or type(error).__name__ in ("NotFound", "ResourceNotFoundError"):
        return True
    code = getattr(error, "response", None)
    if isinstance(code, dict) and code.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
        return True
    return isinstance(error, ValueError) and "does not exist" in str(error)


async def storage_named(reference: str) -> Storage:
    """A folder (`/shared/shards`, `~/shards`, `./shards`), or a saved block (`remote-file-system/shards`).

    SpecError when there is no such block, or when it can be neither read nor written by path.
    """
    if reference.startswith(("/", "~", ".")):
        from prefect.filesystems import LocalFileSystem

        folder = str(Path(reference).expanduser().absolute())
        return Storage(LocalFileSystem(basepath=folder), folder)
    from prefect.blocks.core import Block

    try:
        block = await Block.aload(reference)
    except ValueError as error:
        raise SpecError(
            f"tests.distribute.storage: there is no block {reference!r}",
            fix="create it in the Prefect UI or with .save(), or name a folder that all machines share: /shared/shards",
        ) from error
    if not hasattr(block, "read_path") or not hasattr(block, "write_path"):
        raise SpecError(
            f"tests.distribute.storage: {reference} is a {type(block).__name__}, which has no read_path and write_path",
            fix="use a storage block: local-file-system, remote-file-system, s3-bucket, gcs-bucket",
        )
    return Storage(block, reference)
