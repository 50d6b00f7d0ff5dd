"""Conditions of revisions and services, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By `reason` or `revisionReason` of the v2 API, what to do about it. The message says what happened.
_FIXES = {
    "CONTAINER_MISSING": "push the image, or correct its name",
    "CONTAINER_PERMISSION_DENIED": "grant Cloud Run's service agent roles/artifactregistry.reader on the repository",
    "CONTAINER_IMAGE_UNAUTHORIZED": "grant Cloud Run's service agent roles/artifactregistry.reader on the repository",
    "PERMISSION_DENIED": "grant the permission that it names",
    "HEALTH_CHECK_CONTAINER_ERROR": "the service must listen on 0.0.0.0:$PORT and its health path answer below 400",
    "SECRETS_ACCESS_CHECK_FAILED": "grant the service account roles/secretmanager.secretAccessor",
    "ACTIVE_REVISION_LIMIT_REACHED": "retire releases that are no longer needed",
}


def of(resource: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of that type; empty when there is none."""
    return next((one for one in resource.get("conditions", []) if one.get("type") == kind), {})


def ready(revision: Mapping[str, Any]) -> bool:
    """Whether a revision can take requests, with the instances that are to be kept."""
    short = of(revision, "MinInstancesProvisioned")
    return of(revision, "Ready").get("state") == "CONDITION_SUCCEEDED" and short.get("state") in (
        None,
        "CONDITION_SUCCEEDED",
        "STATE_UNSPECIFIED",
    )


def failed(resource: Mapping[str, Any]) -> bool:
    """Whether it will not become ready by itself."""
    condition = of(resource, "Ready") or resource.get("terminalCondition", {})
    return bool(condition.get("state") == "CONDITION_FAILED")


def words(resource: Mapping[str, Any]) -> str:
    """Why it is not ready: what Cloud Run says, and what to do about it where that is known."""
    conditions = [one for one in resource.get("conditions", []) if one.get("state") == "CONDITION_FAILED"]
    condition = next(iter(conditions), of(resource, "Ready") or resource.get("terminalCondition", {}))
    reasons = [str(one[key]) for one in [condition, *conditions] for key in ("reason", "revisionReason") if key in one]
    fix = next((_FIXES[reason] for reason in reasons if reason in _FIXES), "")
    message = str(condition.get("message") or (reasons[0] if reasons else "it is starting"))
    return f"{message} ({fix})" if fix else message
