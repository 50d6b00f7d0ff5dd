"""Whether what runs is what was released: a look at an environment beside its own history, in words.

    runs (ServiceState)  ──┐
    history (notebook)   ──┼──▶ findings, each a sentence; none: nothing has drifted
    records (a version)  ──┘    the witness that is left when an environment is gone together with its notebook

What a rollout under way does to an environment is no drift, so nobody is asked while one is.
"""

from __future__ import annotations

from collections.abc import Iterator

from domain.history import LENGTH, History, intended
from domain.place import Release, ReleaseState, ServiceState
from domain.verdict import Outcome, Verdict

GATE = "drift"


def found(state: ServiceState, history: History, recorded: str | None) -> tuple[str, ...]:
    """What differs, a sentence each; empty when what runs is what was released.

    `recorded` is the version that the records know to be promoted last; None when they know of none.
    """
    wanted = intended(history)
    return (*_promised(state, wanted, recorded), *_alive(state), *_shares(state), *strangers(state, history))


def verdict(state: ServiceState, findings: tuple[str, ...]) -> Verdict:
    """FAIL with the findings; PASS says what runs."""
    metrics = {"findings": float(len(findings)), "releases": float(len(state.releases))}
    if findings:
        return Verdict(gate=GATE, outcome=Outcome.FAIL, reasons=findings, metrics=metrics)
    stable = state.of(state.stable)
    runs = f"{len(stable.copies)} copies of {state.stable} run as released" if stable else "nothing was released"
    return Verdict(gate=GATE, outcome=Outcome.PASS, reasons=(runs,), metrics=metrics)


def _promised(state: ServiceState, wanted: Release | None, recorded: str | None) -> Iterator[str]:
    """That the release which was promoted last is the stable one, and the same in every setting."""
    if wanted is None:
        if state.stable is not None:
            yield f"{state.stable} is stable, and the environment's history knows no promotion"
        elif recorded is not None:
            yield f"nothing is there, though {recorded} was promoted: the environment is gone, with its notebook"
        return
    if state.stable != wanted.version:
        yield f"{state.stable or 'nothing'} is stable, and {wanted.version} was promoted last"
    here = state.of(wanted.version)
    if here is None:
        yield f"{wanted.version} is gone: it was promoted last"
    elif here.release.artifact.digest != wanted.artifact.digest:
        yield f"{wanted.version} runs artifact {here.release.artifact.digest}, not {wanted.artifact.digest}"
    elif changed := _differing(here.release, wanted):
        yield f"{wanted.version} is configured otherwise than released: {', '.join(changed)}"


def _differing(here: Release, wanted: Release) -> list[str]:
    """The names of the settings that differ; the values may be secret."""
    return [key for key in Release.model_fields if key != "artifact" and getattr(here, key) != getattr(wanted, key)]


def _alive(state: ServiceState) -> Iterator[str]:
    """That the stable release is whole, healthy and has an address."""
    stable = state.of(state.stable)
    if stable is None:
        return
    version, replicas = stable.release.version, stable.release.replicas
    if len(stable.copies) < replicas:
        yield f"{version} has {len(stable.copies)} of {replicas} copies"
    ill = [copy for copy in stable.copies if not copy.healthy]
    if ill:
        why = f": {ill[0].name}: {ill[0].reason}" if ill[0].reason else ""
        yield f"{len(ill)} of {len(stable.copies)} copies of {version} are not healthy{why}"
    if not state.address:
        yield f"{version} is stable and has no public address: nobody can reach it"


def _shares(state: ServiceState) -> Iterator[str]:
    """That all of the traffic goes to stable."""
    total = sum(one.weight for one in state.releases)
    if total != (100 if state.stable is not None else 0):
        yield f"the weights add up to {total} %: {_told(state.releases)}"
    for one in state.releases:
        if one.weight and one.release.version != state.stable:
            yield f"{one.release.version} has {one.weight} % of the traffic, and no rollout is under way"


def _told(releases: tuple[ReleaseState, ...]) -> str:
    return ", ".join(f"{one.release.version} {one.weight} %" for one in releases) or "there is no release"


def strangers(state: ServiceState, history: History) -> Iterator[str]:
    """The releases that are neither stable nor an earlier one kept warm for a rollback. When a warm time is over is the
    platform's own business, as is its clock."""
    for version, released in odd(state, history).items():
        if not released:
            yield f"{version} is there, and nobody released it"
        else:
            yield f"{version} is there without being stable or kept warm, and no rollout is under way"


def odd(state: ServiceState, history: History) -> dict[str, bool]:
    """The versions that have no reason to be there, and whether they were released once."""
    known = {entry.release.version for entry in history}
    found = {}
    for one in state.releases:
        version, warm = one.release.version, one.warm_until is not None
        # The history is cut off; what is kept warm was stable once.
        released = version in known or (warm and len(history) >= LENGTH)
        if version != state.stable and not (released and warm):
            found[version] = released
    return found
