"""A bearer token for Google's APIs, renewed before it ends."""

from __future__ import annotations

import json
import threading
from typing import Any

from domain.errors import CapabilityError, Rejected, Unavailable

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
FIX = "run `gcloud auth application-default login`, or give the block a key of a service account that is in use"


class Token:
    """From a service account's key (JSON text), or as Google's libraries find credentials where `key` is None.
    `anonymous`: none at all, for an endpoint that asks for none."""

    def __init__(self, key: str | None = None, anonymous: bool = False) -> None:
        self._key, self.anonymous = key, anonymous
        self._credentials: Any = None
        self._renewing = threading.Lock()

    def headers(self) -> dict[str, str]:
        """What a request carries. Blocks while a token is fetched. CapabilityError without the extra, Rejected for
        credentials that are missing or no longer taken, Unavailable when nobody answers who could tell."""
        if self.anonymous:
            return {}
        try:
            import google.auth
            import google.auth.exceptions
            import google.auth.transport.requests
            from google.oauth2 import service_account
        except ImportError as error:
            raise CapabilityError(
                "the platform cloud_run needs the extra `gcp`, which is not installed",
                fix="pip install 'test-execution-system[gcp]'",
            ) from error
        with self._renewing:
            try:
                if self._credentials is None:
                    self._credentials = _found(google.auth, service_account, self._key)
                if not self._credentials.valid:
                    self._credentials.refresh(google.auth.transport.requests.Request())
            except google.auth.exceptions.TransportError as error:
                raise Unavailable("Google's token service does not answer") from error
            except (google.auth.exceptions.GoogleAuthError, ValueError) as error:
                # Not the library's words: those about a key may hold pieces of it.
                raise Rejected(f"no credentials for Google Cloud ({type(error).__name__})", fix=FIX) from error
            return {"Authorization": f"Bearer {self._credentials.token}"}


def _found(auth: Any, service_account: Any, key: str | None) -> Any:
    if key is None:
        return auth.default(scopes=_SCOPES)[0]
    return service_account.Credentials.from_service_account_info(json.loads(key), scopes=_SCOPES)
