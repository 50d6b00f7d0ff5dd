"""What a container group's instance view says, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blocks.platforms.aci_parts import answers

LOOPS = 3  # restarts after which a copy is not expected to come up any more
_PULLING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")


@dataclass(frozen=True)
class Copy:
    """One group as Azure sees it. `trouble` says why it will not become healthy, empty while it may; `told` how it is
    where it does not run. `host` is its name where it has one, else its address; `since` is when it was started."""

    seat: int
    name: str
    version: str
    digest: str
    drain: float
    running: bool
    usable: bool
    host: str = ""
    ip: str = ""
    port: int = 0
    restarts: int = 0
    exit_code: int | None = None
    crashing: bool = False
    trouble: str = ""
    told: str = ""
    since: float = 0.0
    events: Sequence[Mapping[str, Any]] = ()


def read(group: Mapping[str, Any]) -> Copy:
    """A group as GET gives it (a list has no instance view)."""
    tags, properties = group.get("tags") or {}, group.get("properties") or {}
    address = properties.get("ipAddress") or {}
    container = (properties.get("containers") or [{}])[0].get("properties") or {}
    view = container.get("instanceView") or {}
    current, previous = view.get("currentState") or {}, view.get("previousState") or {}
    whole = properties.get("instanceView") or {}
    events = [*(whole.get("events") or []), *(view.get("events") or [])]
    made, state = properties.get("provisioningState", ""), whole.get("state", "")
    restarts, running = int(view.get("restartCount") or 0), current.get("state") == "Running"
    code = next((one["exitCode"] for one in (current, previous) if one.get("exitCode") is not None), None)
    pulling, memory = _unpulled(current, events, running), _starved(current, previous, running)
    crashing = not memory and not running and restarts >= LOOPS or restarts >= LOOPS and bool(code)
    trouble = ""
    if pulling:
        trouble = f"its image cannot be pulled: {pulling}"
    elif memory:
        trouble = "it was killed for want of memory: raise release.resources.memory_mb"
    elif crashing:
        trouble = f"it keeps ending with exit code {code}"
    elif made == "Failed" or state in ("Failed", "Stopped"):
        trouble = f"Azure says that it has {(state or made).lower()}: {_last(events)}".rstrip(": ")
    return Copy(
        seat=int(tags.get("tes-seat", -1)),
        name=str(group.get("name", "")),
        version=tags.get("tes-version", ""),
        digest=tags.get("tes-release", ""),
        drain=float(tags.get("tes-drain", 0)),
        running=running,
        usable=made != "Failed" and state not in ("Failed", "Stopped", "Succeeded"),
        host=address.get("fqdn") or address.get("ip") or "",
        ip=address.get("ip") or "",
        port=next((int(one["port"]) for one in address.get("ports") or []), 0),
        restarts=restarts,
        exit_code=code,
        crashing=bool(crashing) and not pulling,
        trouble=trouble,
        told="" if running else _waiting(current, made, code),
        since=answers.moment(current.get("startTime")),
        events=tuple(events),
    )


def ended(copy: Copy, why: str, words: str) -> str:
    """Why one is not healthy that has ended before, with its exit code and what it said last."""
    if copy.crashing:
        return f"{copy.trouble}: {words}"
    code = f"it ended with exit code {copy.exit_code}"
    return f"{code}: {words}" if why == code else f"{why}; {code}: {words}"


def unwell(copy: Copy, interval: float, failures: int, now: float) -> str:
    """Why it is not healthy by what Azure's own probes found; empty when they found nothing for as long as it takes
    them to. For copies that only the virtual network reaches: there is an event when a probe fails, none when it
    succeeds."""
    window = max(1.0, interval) * (failures + 1)
    if not copy.running:
        return copy.told
    sick = [one for one in copy.events if one.get("name") == "Unhealthy"]
    latest = max(sick, key=lambda one: answers.moment(one.get("lastTimestamp")), default=None)
    if latest is not None and now - answers.moment(latest.get("lastTimestamp")) < window:
        return str(latest.get("message", "its probe fails"))
    if now - copy.since < window:
        return "Azure's probes have not had the time to look"
    return ""


def _unpulled(current: Mapping[str, Any], events: Sequence[Mapping[str, Any]], running: bool) -> str:
    if running:
        return ""
    detail = str(current.get("detailStatus") or "")
    failed = [str(one.get("message", "")) for one in events if one.get("name") in ("Failed", "FailedPulling")]
    said = [message for message in failed if "pull" in message.lower()]
    return (said[-1] if said else detail) if said or detail.startswith(_PULLING) else ""


def _starved(current: Mapping[str, Any], previous: Mapping[str, Any], running: bool) -> bool:
    return not running and any("OOMKilled" in str(one.get("detailStatus") or "") for one in (current, previous))


def _waiting(current: Mapping[str, Any], made: str, code: int | None) -> str:
    state, detail = current.get("state"), current.get("detailStatus")
    if state == "Terminated":
        return f"it ended with exit code {code}"
    return f"it is {str(state or made or 'waiting').lower()}" + (f": {detail}" if detail else "")


def _last(events: Sequence[Mapping[str, Any]]) -> str:
    return str(events[-1].get("message", ""))[:300] if events else ""
