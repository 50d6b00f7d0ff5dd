"""A storage that is named as tes.yaml names it is found by a process that has never heard of it; or it is said why not.
Against a real Prefect server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from blocks.storage import storage_named
from domain.errors import SpecError, Unavailable
from tests.blocks.aws_emulators import moto
from tests.blocks.stores import BLOCK, bucket

ROOT = Path(__file__).resolve().parents[2]
# As a worker's process does it.
_GET = "import asyncio, sys; from blocks.storage import storage_named; {before}\n" """
async def main():
    print(await (await storage_named(sys.argv[1])).get('r1/order.json'))
asyncio.run(main())
"""


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):  # a busy machine is slow to start one
        yield


def elsewhere(before: str = "") -> subprocess.CompletedProcess[str]:
    api = PREFECT_API_URL.value()
    assert api
    return subprocess.run(
        [sys.executable, "-c", _GET.format(before=before), BLOCK],
        cwd=ROOT, env={**os.environ, "PREFECT_API_URL": api}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


@pytest.mark.requires("moto", "ecs-worker")
async def test_another_process_reads_what_was_written_over_a_saved_s3_bucket(tmp_path: Path) -> None:
    with moto(tmp_path) as address:
        await bucket(address).save(BLOCK.partition("/")[2], overwrite=True)
        here = await storage_named(BLOCK)
        assert here.name == BLOCK
        await here.put("r1/order.json", b"an order")
        read = elsewhere()
        assert read.stdout.strip() == repr(b"an order"), read.stderr
        # The collection that Prefect would load at its entry point, as where nobody installed it.
        without = elsewhere("sys.modules['prefect_aws'] = None")
        assert (
            without.returncode and "CapabilityError" in without.stderr and "pip install prefect-aws" in without.stderr
        )


async def test_a_block_that_nobody_saved_is_named_with_what_to_do() -> None:
    for reference in ("s3-bucket/nobody", "no-such-type/shards", "shards"):
        with pytest.raises(SpecError, match=f"tests.distribute.storage: there is no block '{reference}'"):
            await storage_named(reference)


async def test_a_block_that_holds_no_paths_is_no_storage() -> None:
    await Secret(value="x").save("shards", overwrite=True)
    with pytest.raises(SpecError, match="secret/shards is a Secret, which has no read_path"):
        await storage_named("secret/shards")


async def test_a_prefect_server_that_is_down_is_what_is_told() -> None:
    away = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(away), pytest.raises(Unavailable, match=f"does not give the block {BLOCK}"):
        await storage_named(BLOCK)
