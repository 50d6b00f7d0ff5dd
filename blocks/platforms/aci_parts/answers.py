"""What Azure answers, as what it means for whoever asked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from domain.errors import PlatformError, Rejected, Unavailable

_AGAIN = frozenset(("ContainerGroupTransitioning", "AnotherOperationInProgress", "RetryableError", "ServiceUnavailable",
                    "OperationNotAllowedOnTransitioningResource", "LeaseAlreadyPresent", "ServerBusy",
                    "ContainerBeingDeleted"))  # fmt: skip
"""Codes that ask for patience, whatever the status they come with."""
_ACTION = re.compile(r"perform action '([^']+)'(?: over scope '([^']+)')?")
_LONGEST = 60.0  # seconds that one pause may last, whatever is asked for


def words(body: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
    """Code and message of an error, from the manager's JSON or a store's XML; never more than 500 letters."""
    text = body.decode("utf-8", "replace")
    code = headers.get("x-ms-error-code", "")
    try:
        said = json.loads(text)
        error = said.get("error", said) if isinstance(said, dict) else {}
        code, message = str(error.get("code") or code), str(error.get("message") or "")
    except (ValueError, AttributeError):
        found = re.search(r"<Message>(.*?)</Message>", text, re.DOTALL)
        message = found.group(1).partition("\n")[0] if found else text.strip()
    return code, message[:500]


def translated(what: str, status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
    """An answer that says no. `what` is the request: "PUT containerGroups/tes-1"."""
    code, message = words(body, headers)
    said = f"Azure answers {status} {code} to {what}: {message}".replace("  ", " ").rstrip(": ")
    if status in (408, 429) or status >= 500 or code in _AGAIN:
        return Unavailable(said)
    if status == 401:
        return Rejected(said, fix="the credential is over or for another tenant: renew the block's client secret, "
                                  "or sign in again (az login)")  # fmt: skip
    if status == 403:
        return Rejected(said, fix=_right(code, message))
    if "Quota" in code:
        return Rejected(said, fix="ask for a higher quota of the region, or retire releases that are warm")
    if code == "InaccessibleImage":
        return Rejected(said, fix="push the image, or correct the block's registry_server, _username and _password")
    return Rejected(said)


def _right(code: str, message: str) -> str:
    action = _ACTION.search(message)
    if action is not None:
        over = f" over {action.group(2)}" if action.group(2) else ""
        return f"give the block's identity a role with the action {action.group(1)}{over}"
    if code.startswith(("AuthorizationPermission", "AuthorizationFailure", "InsufficientAccount")):
        return "give the block's identity the role Storage Blob Data Contributor on the storage container"
    return "give the block's identity the roles that the platform's reference page lists"


def pause(attempt: int, headers: Mapping[str, str], luck: float, now: float, *, first: float = 0.5) -> float:
    """Seconds to wait before the next attempt: what the answer asks for, else doubling from `first`; `luck` (0..1)
    spreads those that were refused together. Method: full jitter with a floor,
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
    asked = after(headers, now)
    if asked is not None:
        return min(asked, _LONGEST) + luck * first
    return min(first * 2.0**attempt, _LONGEST) * (0.5 + luck / 2)


def after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that an answer asks to wait (`Retry-After` as seconds or as a date, or the stores' in milliseconds)."""
    if (text := headers.get("x-ms-retry-after-ms") or headers.get("retry-after-ms")) and text.isdigit():
        return int(text) / 1000
    text = headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp() - now) if text else None
    except ValueError:
        return None


def exhausted(headers: Mapping[str, str]) -> bool:
    """Whether an answer says that the next request of its kind would be one too many."""
    left = [value for name, value in headers.items() if name.lower().startswith("x-ms-ratelimit-remaining-")]
    numbers = [int(n) for value in left for n in re.findall(r"(?:^|;)(\d+)(?=$|,)", value)]
    return any(number == 0 for number in numbers)


def moment(text: str | None) -> float:
    """Seconds since the epoch; 0 where there is none."""
    if not text:
        return 0.0
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
