"""What a rollout would do to an environment as it is now: said, not done."""

from __future__ import annotations

from pydantic import Field

from domain.approval import asks
from domain.place import ServiceState
from domain.rollout import Action, Rollout, Verb, plan
from domain.spec import EnvironmentSpec, ReleaseSpec
from domain.verdict import Value


class Forecast(Value):
    """A rollout that was not begun. Where the platform could not be asked, `unknown` says why, and all that rests on
    what is there is empty."""

    environment: str
    platform: str
    strategy: str
    steps: tuple[str, ...]
    now: str | None = Field(None, description="the stable version; null when there is none, or it is not known")
    then: str = Field(description="the version to be; its last part is known when the release is built")
    copies: int = Field(description="copies to start")
    traffic: tuple[str, ...] = Field(description="the shares of the new release, in order")
    retired: tuple[str, ...] = Field((), description="what goes, and when")
    remarks: tuple[str, ...] = Field((), description="what would come first, or stand in the way")
    unknown: str = Field("", description="why the platform could not be asked")

    def __str__(self) -> str:
        """For a terminal, one thing a line."""
        now = f"not known: {self.unknown}" if self.unknown else self.now or "nothing is released"
        lines = [
            f"{self.environment}: {self.strategy} on {self.platform}, {len(self.steps)} steps; nothing was done",
            *(f"  {number}. {step}" for number, step in enumerate(self.steps, 1)),
            f"  now      {now}",
            f"  then     {self.then}, {self.copies} copies to start",
            f"  traffic  {', '.join(self.traffic)}",
            *(f"  retired  {one}" for one in self.retired),
            *(f"  note     {one}" for one in self.remarks),
        ]
        return "\n".join(lines)


class Forecasts(Value):
    """The rollouts of several services as one, in the order in which they were named."""

    services: tuple[str, ...]
    environment: str
    forecasts: tuple[Forecast, ...]

    def __str__(self) -> str:
        """For a terminal: what goes for all, then each."""
        told = [f"{', '.join(self.services)} as one release: step by step side by side, all are promoted or none"]
        return "\n".join(told + [f"{name} in {one}" for name, one in zip(self.services, self.forecasts, strict=True)])


def forecast(
    environment: str,
    place: EnvironmentSpec,
    release: ReleaseSpec | None,
    version: str | None,
    state: ServiceState | None,
    left: Rollout | None,
    unknown: str = "",
) -> Forecast:
    """The rollout of a release of that name (None: of what is there to be built) beside `state`; None where it could
    not be seen. `left` is the rollout that the environment's notebook tells last."""
    how = release or ReleaseSpec()
    first = state is not None and state.stable is None
    actions = plan(place, first=first, migrates=how.migrations is not None)
    return Forecast(
        environment=environment,
        platform=place.platform,
        strategy=place.strategy,
        steps=tuple(str(action) for action in actions),
        now=state.stable if state else None,
        then=f"{version or 'the revision'}, numbered when it is built",
        copies=place.replicas or how.replicas,
        traffic=_shares(actions),
        retired=_retired(state, place) if state else (),
        remarks=_remarks(environment, place, state, left),
        unknown=unknown,
    )


def _shares(actions: tuple[Action, ...]) -> tuple[str, ...]:
    """Each share with how long it is watched."""
    told = []
    for action, after in zip(actions, (*actions[1:], None), strict=True):
        if action.verb not in (Verb.SHIFT, Verb.PROMOTE):
            continue
        watched = after.seconds if after is not None and after.verb is Verb.VERIFY else 0.0
        told.append(f"{100 if action.weight is None else action.weight} % for {watched:g} s")
    return (*told[:-1], f"{told[-1].partition(' for ')[0]}, watched{told[-1].partition(' %')[2]}")


def _retired(state: ServiceState, place: EnvironmentSpec) -> tuple[str, ...]:
    """The stable release once it is no longer kept warm; what is warm now goes when its own time is over."""
    told = []
    for one in state.releases:
        if one.release.version == state.stable:
            told.append(f"{one.release.version}, kept warm for {place.warm:g} s after promotion")
        elif one.warm_until is not None:
            told.append(f"{one.release.version}, when its own warm time is over")
    return tuple(told)


def _remarks(
    environment: str, place: EnvironmentSpec, state: ServiceState | None, left: Rollout | None
) -> tuple[str, ...]:
    told = []
    if asks(environment, place):
        told.append("a person must say yes before anything moves")
    if state is not None and state.lease is not None:
        told.append(f"{state.lease.holder} is changing it now: a rollout would wait")
    if left is not None and not left.status.over:
        told.append(f"the rollout of {left.release.version} was left at {left.action}: it is taken up or back first")
    return tuple(told)
