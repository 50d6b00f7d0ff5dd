"""Shards as runs on a work pool: ordered, waited for, ordered again when lost, and merged; each is counted once.

Prefect may lose a run, keep it Running after its process died, or execute it twice (its issues 16746, 12509). So a
run's state only says when to look; what counts is what was committed in the storage, under the highest fencing token.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from blocks.storage import Storage, patience, storage_named
from domain.cases import CaseId, SuiteReport
from domain.errors import PlatformError, ReportError, TesError
from domain.merging import merged
from domain.plan import Plan
from domain.shard_result import Commit, Order, accepted, folder
from domain.spec import Distribute, Suite
from domain.supply import Source
from tasks.run import Run
from tasks.shard_archive import MAX_BYTES, opened, packed, recalled, sha256
from tasks.shard_elsewhere import carried_out, source_path
from tasks.shard_pool import Phase, Pool, PrefectPool
from tasks.shard_run import Finished, Task, runner_of, told_empty
from tasks.suite_environment import Environment

LOOK_S = 1.0
# How long the storage or Prefect may be silent before the suite gives up.
PATIENCE_S = 60.0
# What a run may take beyond the suite's own time-out: fetching, making the environment, sending.
AROUND_S = 900.0


class _Shard:
    """One shard on its way. `issued` are its tokens with their runs; `run` is the present one."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.issued: dict[int, str] = {}
        self.since = self.running = 0.0
        self.done: Finished | None = None
        self.lost: list[str] = []
        self.told: list[str] = []
        self.here: asyncio.Task[Commit] | None = None


class Coordinator:
    """Waits by looking now and then: it holds no thread, and no more than its own run's slot."""

    def __init__(
        self, place: Storage, pool: Pool, wanted: Distribute, source: Source, out: Path, look: float = LOOK_S
    ) -> None:
        self._place, self._pool, self._wanted, self._source = place, pool, wanted, source
        self._out, self._look = out, look
        self._budget = wanted.lost

    async def run(
        self, first: Order, plan: Plan, tell: Callable[[int, int], None] = lambda done, total: None
    ) -> tuple[SuiteReport, list[Finished]]:
        """All shards of the plan, ordered as `first` is, merged. A shard that is lost too often is missing in the
        report, which is then no PASS. PlatformError when the storage or Prefect do not answer, or refuse, at the start.
        """
        await self._send_source()
        shards = [_Shard(first.model_copy(update={"shard": part, "token": 0})) for part in plan.shards]
        try:
            for shard in shards:
                await self._order(shard)
            await self._wait(shards, tell, sum(part.cases for part in plan.shards))
            for shard in shards:
                await self._tell_others(shard)
        finally:
            await self._stop(shards)
        reports = {shard.order.shard.number: shard.done.report for shard in shards if shard.done}
        told = [line for shard in shards for line in (*shard.lost, *shard.told)]
        return merged(plan, reports, told), [shard.done for shard in shards if shard.done]

    async def _send_source(self) -> None:
        """The snapshot, once for all shards and all runs: it is named by its content."""
        path = source_path(self._source.digest)
        mark = f"{path}.sha256"
        if await self._place.get(mark) is None:
            content = await asyncio.to_thread(packed, Path(self._source.root), "tree")
            await self._place.put(path, content)
            await self._place.put(mark, sha256(content).encode())

    async def _order(self, shard: _Shard) -> None:
        order = shard.order = shard.order.model_copy(update={"token": shard.order.token + 1})
        await self._place.put(f"{order.folder}/order.json", order.model_dump_json().encode())
        shard.issued[order.token] = await self._pool.start(order)
        shard.since, shard.running = time.monotonic(), 0.0

    async def _wait(self, shards: list[_Shard], tell: Callable[[int, int], None], cases: int) -> None:
        silent = 0.0
        while open_ := [shard for shard in shards if shard.done is None and shard.order.token]:
            await asyncio.sleep(self._look)
            try:
                phases = await self._pool.phases([shard.issued[shard.order.token] for shard in open_])
                for shard in open_:
                    await self._step(shard, *phases[shard.issued[shard.order.token]], shards)
                silent = 0.0
            except TesError as error:
                silent = silent or time.monotonic()
                if not isinstance(error, PlatformError):  # a no, too, may be for a time: credentials that are renewed
                    raise
                if time.monotonic() - silent > PATIENCE_S:
                    for shard in open_:
                        shard.told.append(f"given up after {PATIENCE_S:.0f} s: {error.message}")
                    return
            tell(sum(len(s.done.report.attempts) for s in shards if s.done), cases)

    async def _step(self, shard: _Shard, phase: Phase, said: str, all_: list[_Shard]) -> None:
        now = time.monotonic()
        if shard.here is not None:
            if not shard.here.done():
                return
            error = shard.here.exception()
            phase, said = Phase.OVER, f"{type(error).__name__}: {error}" if error else "done here"
            shard.here = None
        elif phase is Phase.WAITING:
            alone = not any(one.here for one in all_)
            if now - shard.since > self._wanted.start_within and alone:
                await self._take_over(shard)
            return
        elif phase is Phase.RUNNING:
            shard.running = shard.running or now
            if now - shard.running < shard.order.suite.timeout + AROUND_S:
                return
            said = f"running for {now - shard.running:.0f} s without a result"
        if not await self._collect(shard):
            await self._lost(shard, said)

    async def _take_over(self, shard: _Shard) -> None:
        """Nobody has begun it: the pool has no worker free, perhaps because we hold its only slot."""
        waited = shard.issued[shard.order.token]
        shard.told.append(
            f"shard {shard.order.shard.number} of {shard.order.of} was not begun within "
            f"{self._wanted.start_within:.0f} s and ran where the execution does"
        )
        order = shard.order = shard.order.model_copy(update={"token": shard.order.token + 1})
        await self._pool.stop(waited)
        shard.issued[order.token] = waited
        home = self._out / "here" / str(order.shard.number)
        shard.here = asyncio.create_task(carried_out(self._place, order, home))

    async def _lost(self, shard: _Shard, said: str) -> None:
        where = f"shard {shard.order.shard.number} of {shard.order.of}"
        with contextlib.suppress(TesError):
            await self._pool.stop(shard.issued[shard.order.token])
        if self._budget <= 0:
            shard.told.append(f"{where} was lost ({said}), and no further run may be started (tests.distribute.lost)")
            shard.order = shard.order.model_copy(update={"token": 0})
            return
        self._budget -= 1
        shard.lost.append(f"{where} was lost under token {shard.order.token} ({said}) and started again")
        await self._order(shard)

    async def _collect(self, shard: _Shard) -> bool:
        """Takes the result that counts, if there is one that can be used."""
        commits = [commit for token in shard.issued if (commit := await self._commit(shard.order, token))]
        while commits:
            best, _ = accepted(shard.order, shard.issued.keys(), commits)
            if best is None:
                return False
            try:
                shard.done = await self._finished(shard.order, best)
                return True
            except ReportError as error:
                shard.told.append(f"shard {best.shard} of {shard.order.of}: token {best.token}: {error.message}")
                commits.remove(best)
        return False

    async def _commit(self, order: Order, token: int) -> Commit | None:
        where = folder(order.run, order.suite.name, order.shard.number, token)
        content = await self._place.get(f"{where}/commit.json")
        try:
            return None if content is None else Commit.model_validate_json(content)
        except ValueError:  # half written
            return None

    async def _finished(self, order: Order, commit: Commit) -> Finished:
        where = folder(commit.run, commit.suite, commit.shard, commit.token)
        content = await self._place.get(f"{where}/result.tar.gz", patience(min(commit.size, MAX_BYTES)))
        if content is None or len(content) != commit.size or sha256(content) != commit.sha256:
            raise ReportError("its archive is not the one that was committed")
        out = await asyncio.to_thread(
            opened, content, self._out / f"shard-{commit.shard}" / f"token-{commit.token}" / "unpacked"
        )
        return await asyncio.to_thread(self._read, order, out)

    def _read(self, order: Order, out: Path) -> Finished:
        """Judged here, from the journal itself: what the other side thought of it is not asked. What a runner without
        retries of its own has repeated is only in its report."""
        if any(path.is_symlink() for path in out.rglob("*")):
            raise ReportError("its archive holds links")
        ran = recalled(out)
        runner = runner_of(order.suite)
        if getattr(runner, "RETRIES", False):
            task = Task(order.suite, order.shard, order.of, self._source, Environment(), 1, {})
            request = task.asked(Path(self._source.root), out)
            report = told_empty(runner.parse(ran, request), ran, order.of)
        else:
            try:
                report = SuiteReport.model_validate_json((out / "shard.json").read_bytes())
            except (OSError, ValueError) as error:
                raise ReportError(f"its report cannot be read: {error}") from error
        return Finished(report=report, out=out, evidence=tuple(path for path in (ran.stdout, ran.stderr) if path))

    async def _tell_others(self, shard: _Shard) -> None:
        """What came besides the result that counts."""
        with contextlib.suppress(TesError):
            commits = [commit for token in shard.issued if (commit := await self._commit(shard.order, token))]
            shard.told += accepted(shard.order, shard.issued.keys(), commits)[1]

    async def _stop(self, shards: list[_Shard]) -> None:
        """No run goes on that nobody waits for."""
        for shard in shards:
            if shard.here is not None:
                shard.here.cancel()
            for run in set(shard.issued.values()) if shard.done is None or len(shard.issued) > 1 else ():
                with contextlib.suppress(Exception):
                    await self._pool.stop(run)


async def on_many_machines(
    run: Run,
    source: Source,
    suite: Suite,
    plan: Plan,
    out: Path,
    needs: tuple[str, ...],
    durations: Mapping[CaseId, float],
    tell: Callable[[int, int], None],
) -> tuple[SuiteReport, list[Finished]]:
    """The plan's shards as runs of `tests.distribute`."""
    wanted = run.spec.tests.distribute
    assert wanted is not None
    place = await storage_named(wanted.storage)
    pool = PrefectPool(wanted.deployment, place.name)
    first = Order(
        run=run.id,
        project=run.project,
        source=source.digest,
        suite=suite,
        shard=plan.shards[0],
        of=len(plan.shards),
        plan=plan.digest,
        token=0,
        build=run.spec.build,
        needs=needs,
        durations={str(case): seconds for case, seconds in durations.items()},
    )
    return await Coordinator(place, pool, wanted, source, out).run(first, plan, tell)
