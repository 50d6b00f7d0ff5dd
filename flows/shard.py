"""Runs one shard of a suite where the work pool says; `tests.distribute` in tes.yaml starts it."""

from __future__ import annotations

from prefect import flow

from tasks.shard_elsewhere import carry_out


@flow(name="shard", flow_run_name="{suite} shard {number}, token {token}", persist_result=False)
async def shard(storage: str, run: str, suite: str, number: int, token: int) -> None:
    """Carries out the order that an execution left in a storage, and leaves the result there.

    Args:
        storage: a folder, or a storage block, that both sides reach.
        run: the id of the run that ordered it.
        suite: the suite's name.
        number: the shard's number, from 1.
        token: the fencing token of this order; a later one for the same shard is higher.
    """
    await carry_out(storage, run, suite, number, token)
