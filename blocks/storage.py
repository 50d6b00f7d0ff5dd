"""A place that two machines reach: a folder they share, or any Prefect block that reads and writes paths."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

from domain.errors import CapabilityError, PlatformError, Rejected, SpecError, Unavailable

ANSWER_S = 60.0
"""Seconds until a storage must have answered. An SDK that nobody limits waits for minutes, and then tries again."""
BYTES_PER_S = 1e6
"""The slowest line that is still waited for."""
_FIX = "look at tests.distribute.storage: its block, its rights, its space"
_MAY_NOT = (
    "look at the credentials of the storage's block and at what they may do: on S3 s3:GetObject, s3:PutObject and, "
    "since S3 says Forbidden of what is not there without it, s3:ListBucket"
)
_REFUSED = (401, 403)


def patience(size: int) -> float:
    """Seconds that so many bytes may take."""
    return ANSWER_S + max(0, size) / BYTES_PER_S


class Storage:
    """Bytes by path; `name` is what `storage_named` takes. Writing the same path again replaces what was there. A place
    that does not answer is `Unavailable`; one that says no, or lacks its bucket, is `Rejected`."""

    def __init__(self, block: Any, name: str) -> None:
        self._block, self.name = block, name
        self._bucket_seen = False

    async def put(self, path: str, content: bytes) -> None:
        """Writes; what was there is replaced."""
        within = patience(len(content))
        try:
            async with asyncio.timeout(within):
                await _awaited(self._block.write_path(path, content))
        except Exception as error:  # each kind of block has its own SDK, and its errors
            raise self._said("written to", error, within) from error

    async def get(self, path: str, within: float = ANSWER_S) -> bytes | None:
        """What is at the path; None when nothing is. It must be here in so many seconds."""
        try:
            async with asyncio.timeout(within):
                found: bytes = await _awaited(self._block.read_path(path))
        except Exception as error:
            if not _says_absent(error):
                raise self._said("read", error, within) from error
            await self._look_for_bucket(within)
            return None
        return found

    async def _look_for_bucket(self, within: float) -> None:
        """S3 says of an object that is not there the same as of its bucket: 404. The bucket is asked for once."""
        client_of = getattr(getattr(self._block, "credentials", None), "get_client", None)
        if self._bucket_seen or client_of is None:
            return
        bucket = self._block.bucket_name
        try:
            async with asyncio.timeout(within):
                await asyncio.to_thread(lambda: client_of("s3").head_bucket(Bucket=bucket))
        except Exception as error:
            if _says_absent(error):
                raise self._no_bucket(bucket) from error
            if _status(error) not in _REFUSED:  # to read what is there takes no right to look at the bucket
                raise self._said("read", error, within) from error
        self._bucket_seen = True

    def _no_bucket(self, bucket: str) -> Rejected:
        return Rejected(
            f"the storage {self.name} has no bucket {bucket!r}", fix="create it, or correct bucket_name in the block"
        )

    def _said(self, what: str, error: Exception, within: float) -> PlatformError:
        if _code(error) == "NoSuchBucket":
            return self._no_bucket(self._block.bucket_name)
        if isinstance(error, PermissionError) or _status(error) in _REFUSED:
            return Rejected(f"the storage {self.name} may not be {what}: {_words(error)}", fix=_MAY_NOT)
        why = f"no answer in {round(within, 1):g} s" if isinstance(error, TimeoutError) else _words(error)
        return Unavailable(f"the storage {self.name} cannot be {what}: {why}", fix=_FIX)


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _code(error: Exception) -> str:
    """The code of an S3 answer; empty for what is none."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _status(error: Exception) -> int | None:
    """The HTTP status of an answer: S3's has it in its response, GCS's as `code`, Azure's as `status_code`."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = getattr(error, "status_code", getattr(error, "code", None))
    return found if isinstance(found, int) else None


def _says_absent(error: Exception) -> bool:
    """Absence as the blocks say it: fsspec and GCS raise FileNotFoundError or NotFound, LocalFileSystem ValueError,
    S3 a ClientError with a code."""
    if isinstance(error, FileNotFoundError) or type(error).__name__ in ("NotFound", "ResourceNotFoundError"):
        return True
    return _code(error) in ("NoSuchKey", "404") or (isinstance(error, ValueError) and "does not exist" in str(error))


async def storage_named(reference: str) -> Storage:
    """A folder (`/shared/shards`, `~/shards`, `./shards`), or a saved block (`remote-file-system/shards`).

    SpecError when there is no such block, or when it can be neither read nor written by path; CapabilityError when the
    package that it is of is not installed here; Unavailable when Prefect's server, which keeps it, does not answer.
    """
    if reference.startswith(("/", "~", ".")):
        from prefect.filesystems import LocalFileSystem

        folder = str(Path(reference).expanduser().absolute())
        return Storage(LocalFileSystem(basepath=folder), folder)
    block = await _block(reference)
    if not hasattr(block, "read_path") or not hasattr(block, "write_path"):
        raise SpecError(
            f"tests.distribute.storage: {reference} is a {type(block).__name__}, which has no read_path and write_path",
            fix="use a storage block: local-file-system, remote-file-system, s3-bucket, gcs-bucket",
        )
    return Storage(block, reference)


async def _block(reference: str) -> Any:
    import httpx
    from prefect.blocks.core import Block, UnknownBlockType

    try:
        return await Block.aload(reference)
    except ValueError as error:
        raise SpecError(
            f"tests.distribute.storage: there is no block {reference!r}",
            fix="create it in the Prefect UI or with .save(), or name a folder that all machines share: /shared/shards",
        ) from error
    except UnknownBlockType as error:
        raise CapabilityError(
            f"tests.distribute.storage: {reference} cannot be used here: {error}",
            fix="install the package on every machine that runs shards, for S3: pip install prefect-aws",
        ) from error
    except httpx.HTTPError as error:
        raise Unavailable(
            f"tests.distribute.storage: Prefect's server does not give the block {reference}: {_words(error)}",
            fix="look at PREFECT_API_URL, and whether that server runs",
        ) from error
