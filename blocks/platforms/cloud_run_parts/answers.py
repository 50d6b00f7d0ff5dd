"""What an answer of Google's APIs means for whoever asked, as an error of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from blocks.platforms.cloud_run_parts.credentials import FIX
from domain.errors import PlatformError, Rejected, Unavailable

# google.rpc.Code, as operations and tasks tell it, by its HTTP status.
CODES = {3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 13: 500, 14: 503, 16: 401, 4: 504, 1: 499}

_ROLES = {
    "run.": "roles/run.developer",
    "iam.serviceaccounts.actAs": "roles/iam.serviceAccountUser on the service account that it runs as",
    "secretmanager.": "roles/secretmanager.admin",
    "logging.": "roles/logging.viewer",
    "artifactregistry.": "roles/artifactregistry.reader",
}


class Missing(Rejected):
    """There is no such thing."""


class Conflict(Rejected):
    """It is not as the request thought that it is: changed meanwhile, or there already."""


def failure(status: int, error: Mapping[str, Any], what: str) -> PlatformError:
    """`error` is the answer's `error` (code, message, status, details), `what` what was asked for, in words."""
    message = str(error.get("message") or f"HTTP {status}")
    said = f"Cloud Run, {what}: {message}"
    if status == 401:
        return Rejected(f"Google Cloud does not take these credentials, {what}", fix=FIX)
    if status == 403:
        permission = _permission(error, message)
        role = next((role for key, role in _ROLES.items() if permission.startswith(key)), "")
        return Rejected(
            f"{what}: the permission {permission or 'for it'} is missing: {message}",
            fix=f"grant {role or 'a role that has it'} to whom these credentials belong to",
        )
    if status == 404:
        return Missing(said)
    if status in (409, 412):
        return Conflict(said)
    if status in (408, 425, 429, 499) or status >= 500:
        return Unavailable(f"{said} ({status})")
    return Rejected(f"{said}{_violations(error)}")


def told(error: Mapping[str, Any], what: str) -> PlatformError:
    """The same for a google.rpc.Status, as an operation has it."""
    return failure(CODES.get(int(error.get("code", 0)), 400), error, what)


def _details(error: Mapping[str, Any], key: str) -> list[Any]:
    details = error.get("details")
    return [one[key] for one in details if isinstance(one, dict) and key in one] if isinstance(details, list) else []


def _permission(error: Mapping[str, Any], message: str) -> str:
    for metadata in _details(error, "metadata"):
        if "permission" in metadata:
            return str(metadata["permission"])
    named = re.search(r"[Pp]ermission '?([a-z]+\.[A-Za-z]+\.[A-Za-z]+)'?", message)
    return named[1] if named else ""


def _violations(error: Mapping[str, Any]) -> str:
    found = [one for some in _details(error, "fieldViolations") for one in some]
    return "".join(f"; {one.get('field', '')}: {one.get('description', '')}" for one in found)
