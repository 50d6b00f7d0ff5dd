"""Proves beside a rollout that no request is lost: sends, counts, and keeps what was seen with the rollout.

It is evidence. Where it cannot run it says so and the rollout goes on; it judges no step, and no step waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from blocks.platforms.protocol import HostsServices
from domain.errors import TesError
from domain.place import Lease, ServiceState, Target
from domain.proof import Proof, assess, impossible
from domain.proof_count import Answer, Counting
from domain.rollout import Action, Rollout, Verb
from domain.spec import EnvironmentSpec
from domain.spec_proof import ProofSpec
from domain.verdict import Evidence, Verdict
from tasks import recording
from tasks.proof_sender import Sender
from tasks.publish import publish_picture
from tasks.rollout import Hold, Kept, Step
from tasks.run import Run
from toolchain.reports import proof_plot

TAIL = 2.0
"""Seconds for which requests go on after traffic was moved last: whoever was taken back must be seen to get none."""
FIRST = 1.0
"""Seconds that a rollout's first step waits at most for the first answer: what comes before is watched, too."""
FILE, PICTURE = "proof.json", "proof.svg"
_MOVES = (Verb.SHIFT, Verb.PROMOTE, Verb.ABORT)
_log = logging.getLogger(__name__)


class Watch:
    """What is seen of one rollout. Nothing is sent where there is a `problem`."""

    def __init__(self, rollout: Rollout, asked: ProofSpec, address: str, problem: str = "") -> None:
        self.rollout, self.asked, self.address, self.problem = rollout, asked, address, problem
        self.began = time.time()
        self.proof: Proof | None = None
        self._counting = Counting(rollout.release.version, self.began)
        self._marks: list[tuple[float, str]] = []
        self._moved = 0.0
        # Answers are counted in the sender's thread, steps are marked in the rollout's.
        self._counts = threading.Lock()
        path = asked.path or rollout.release.health.path
        self._sender = Sender(address + path, asked.rate, asked.timeout, asked.version_header, self._heard)
        if not problem:
            self._sender.start()

    async def ready(self) -> None:
        """The load is on, or did not come to be within `FIRST` seconds."""
        if not self.problem:
            await asyncio.to_thread(self._sender.answered.wait, FIRST)

    def _heard(self, answer: Answer) -> None:
        with self._counts:
            self._counting.add(answer)

    def step(self, take: Step) -> Step:
        """The same, and each action is marked as soon as it is done."""

        async def taken(
            platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
        ) -> Verdict:
            verdict = await take(platform, lease, rollout, action, place)
            self._done(action, verdict)
            return verdict

        return taken

    def kept(self, kept: Kept) -> Kept:
        """The same, for the actions of somebody who does not take steps through us: on the way back after Ctrl-C."""

        async def told(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
            if action.verb is Verb.ABORT and not self._counting.is_aborted:
                self._done(action, verdict)
            await kept(rollout, action, verdict, began)

        return told

    def _done(self, action: Action, verdict: Verdict) -> None:
        now = time.time()
        self._marks.append((now, str(action) if verdict.passed else f"{action}: {verdict.outcome}"))
        if action.verb in _MOVES:
            self._moved = now
        if action.verb is Verb.ABORT and verdict.passed:
            with self._counts:
                self._counting.aborted(now)

    async def end(self, patient: bool) -> Proof:
        """Stops, and says what was seen. Not `patient`: somebody wants to be gone."""
        if self.problem:
            return impossible(self.rollout.release.version, self.problem)
        if patient:
            await asyncio.sleep(max(0.0, self._moved + TAIL - time.time()))
        seconds = time.time() - self.began
        whole = await asyncio.to_thread(self._sender.stop, self.asked.timeout + 1 if patient else 0.5)
        problems = [] if whole else ["the last answers were not waited for"]
        if self._sender.broken is not None:
            problems.append(f"the sender broke: {type(self._sender.broken).__name__}: {self._sender.broken}")
        if self.rollout.token:  # a lease's: somebody else has held the environment for it
            late = self.began - self.rollout.started
            problems.append(f"the first {late:.0f} s of the rollout were not watched: another run began it")
        with self._counts:
            proof = self._counting.told(
                seconds,
                stable=self.rollout.stable,
                address=self.address,
                rate=self.asked.rate,
                header=self.asked.version_header,
                marks=self._marks,
                problems=problems,
            )
        return _unreachable(proof)


def _unreachable(proof: Proof) -> Proof:
    """A proof of which no request was ever answered says nothing about the rollout: the address cannot be reached from
    here, or nothing worked before."""
    if proof.requests and proof.failed == proof.requests and not proof.known:
        why = f"no request to {proof.address} was ever answered well from here: {proof.first_failure}"
        return impossible(proof.version, why).model_copy(update={"address": proof.address})
    return proof


def _watch(rollout: Rollout, asked: ProofSpec, state: ServiceState) -> Watch:
    problem = ""
    if rollout.stable is None:
        problem = "nothing was released before, so there was no request to lose"
    elif not state.address:
        problem = "the platform names no public address that could be asked"
    return Watch(rollout, asked, state.address, problem)


@asynccontextmanager
async def watched(run: Run, platform: HostsServices, rollout: Rollout) -> AsyncIterator[Watch | None]:
    """Watches a rollout where `release.proof` asks for it, and keeps what was seen however it ends; None where nothing
    is asked for."""
    asked = run.spec.release.proof if run.spec.release else None
    if asked is None:
        yield None
        return
    try:
        watch = _watch(rollout, asked, await platform.inspect(rollout.target))
    except TesError as error:
        watch = Watch(rollout, asked, "", f"the platform did not say where it is served: {error.message}")
    patient = False
    try:
        await watch.ready()
        yield watch
        patient = True
    finally:
        watch.proof = await watch.end(patient)
        await _kept(run, rollout, watch.proof)


@asynccontextmanager
async def watched_together(
    runs: Mapping[Target, Run], holds: Mapping[Target, Hold], rollouts: Sequence[Rollout]
) -> AsyncIterator[dict[Target, Watch]]:
    """The same for several rollouts at once, each with a load of its own; those that ask for none are left out."""
    async with AsyncExitStack() as stack:
        watches: dict[Target, Watch] = {}
        for one in rollouts:
            watch = await stack.enter_async_context(watched(runs[one.target], holds[one.target].platform, one))
            if watch is not None:
                watches[one.target] = watch
        yield watches


def seen_by(watches: Mapping[Target, Watch], take: Step, kept: Kept) -> tuple[Step, Kept]:
    """The same two, and each watch hears of the steps of its own target."""

    async def taken(
        platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
    ) -> Verdict:
        watch = watches.get(lease.target)
        return await (watch.step(take) if watch else take)(platform, lease, rollout, action, place)

    async def told(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
        watch = watches.get(rollout.target)
        await (watch.kept(kept) if watch else kept)(rollout, action, verdict, began)

    return taken, told


async def _kept(run: Run, rollout: Rollout, proof: Proof) -> None:
    """Into the evidence, the records and the Prefect UI. A proof that cannot be kept is logged."""
    folder = run.folder / "deploy"
    try:
        await asyncio.to_thread(_written, folder, proof)
        await recording.proof(rollout.id, proof)
    except (TesError, OSError) as error:
        _log.warning("the proof of rollout %s is not kept: %s", rollout.id, error)
    publish_picture(run, "proof", proof_plot.svg(proof), "; ".join(assess(proof).reasons))


def _written(folder: Path, proof: Proof) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(proof.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / PICTURE).write_text(proof_plot.svg(proof), encoding="utf-8")


def added(deploy: Verdict, proof: Proof, folder: Path) -> Verdict:
    """The verdict of the stage deploy with what was proved beside it. Its outcome stays: whether the release is good is
    told by its steps."""
    seen = assess(proof)
    word = "proof" if seen.passed else f"proof {seen.outcome}"
    return deploy.model_copy(
        update={
            "reasons": (*deploy.reasons, f"{word}: {'; '.join(seen.reasons)}"),
            "metrics": {**deploy.metrics, **{f"proof_{name}": value for name, value in seen.metrics.items()}},
            "evidence": (
                *deploy.evidence,
                *(Evidence(name=name, location=str(folder / "deploy" / name)) for name in (FILE, PICTURE)),
            ),
        }
    )
