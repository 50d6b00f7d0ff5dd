"""What the cluster says of a pod, as a copy and in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.place import CopyState

Document = dict[str, Any]
LOOPS = 3  # restarts after which a copy is not expected to come up any more
# Waiting for these does not help: they are of the image or the configuration.
_HOPELESS = frozenset(
    ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError",
     "CreateContainerError", "RunContainerError")
)  # fmt: skip


def leaving(pod: Document) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def copy(pod: Document, events: Sequence[Document]) -> tuple[CopyState, str]:
    """The copy; and why it will not become healthy, empty while it may."""
    status = pod.get("status", {})
    container: Document = next(iter(status.get("containerStatuses", ())), {})
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
    restarts = int(container.get("restartCount", 0))
    trouble = "" if ready else _trouble(container, restarts)
    port = next((one["containerPort"] for c in pod["spec"]["containers"][:1] for one in c.get("ports", ())), 0)
    address = status.get("podIP", "")
    return (
        CopyState(
            name=pod["metadata"]["name"],
            address=f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}" if address else "",
            healthy=ready,
            restarts=restarts,
            reason="" if ready else trouble or _waiting(status, container, events, port),
        ),
        trouble,
    )


def _trouble(container: Mapping[str, Any], restarts: int) -> str:
    state, last = container.get("state", {}), container.get("lastState", {})
    waiting = state.get("waiting", {})
    ended = state.get("terminated") or last.get("terminated")
    if ended and (ended.get("reason") == "OOMKilled"):
        return "it was killed for want of memory: raise release.resources.memory_mb"
    if waiting.get("reason") in _HOPELESS:
        return f"{waiting['reason']}: {waiting.get('message', '')[:300]}".rstrip(": ")
    if ended and restarts >= LOOPS:
        return f"it keeps ending with exit code {ended['exitCode']}: {_last_words(ended)}"
    return ""


def _last_words(ended: Mapping[str, Any]) -> str:
    return str(ended.get("message", "")).strip()[-300:] or str(ended.get("reason", "")) or "it said nothing"


def _waiting(status: Mapping[str, Any], container: Mapping[str, Any], events: Sequence[Document], port: int) -> str:
    """Why it is not healthy yet: the newest event about it, else its state."""
    told = [event for event in events if event.get("type") == "Warning"]
    told.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    running = "running" in container.get("state", {})
    if told and (running or not container):
        message = " ".join(str(told[-1].get("message", "")).split())[:300]
        refused = "connection refused" in message
        return message + (f": does it listen on 0.0.0.0:{port}?" if refused else "")
    waiting = container.get("state", {}).get("waiting", {})
    ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated")
    if ended:
        return f"it ended with exit code {ended['exitCode']}: {_last_words(ended)}"
    if waiting:
        return f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')[:300]}".rstrip(": ")
    unmet = [c.get("message", "") for c in status.get("conditions", ()) if c["status"] == "False" and c.get("message")]
    return unmet[0][:300] if unmet else f"not ready yet ({status.get('phase', 'unknown')})"


def refused(deployment: Document) -> str:
    """Why the cluster makes no pods of a Deployment (a quota, a policy); empty when it does."""
    for one in deployment.get("status", {}).get("conditions", ()):
        if one["type"] == "ReplicaFailure" and one["status"] == "True":
            return f"the cluster makes no pod: {one.get('message', '')[:300]}"
    return ""


def newest(pods: Iterable[Document]) -> list[Document]:
    """Those that stay, oldest first, so that a copy keeps its place in a list."""
    return sorted(
        (pod for pod in pods if not leaving(pod)),
        key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]),
    )
