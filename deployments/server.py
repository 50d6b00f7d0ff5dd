"""The Prefect server that is to be made ready, with this process's credentials for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from domain.errors import Rejected, Unavailable


@asynccontextmanager
async def connected(api_url: str) -> AsyncIterator[PrefectClient]:
    """A client of this API; the credentials are those of the environment or of the Prefect profile.

    What the server answers becomes ours: Unavailable for no answer, Rejected for a no. Neither names a credential.
    """
    api = get_current_settings().api
    key, words = api.key, api.auth_string
    try:
        async with PrefectClient(
            api_url,
            api_key=key.get_secret_value() if key else None,
            auth_string=words.get_secret_value() if words else None,
        ) as client:
            yield client
    except PrefectHTTPStatusError as error:
        raise _told(api_url, error) from error
    except (httpx.TransportError, httpx.InvalidURL, OSError) as error:
        why = str(error) or type(error).__name__
        fix = "start the server, or name another one with --api or PREFECT_API_URL"
        raise Unavailable(f"no Prefect server answers at {api_url}: {why}", fix=fix) from error


def _told(api_url: str, error: httpx.HTTPStatusError) -> Rejected | Unavailable:
    code, path = error.response.status_code, error.request.url.path
    if code in (401, 403):
        fix = "set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY, in the environment or in the Prefect profile"
        return Rejected(f"the Prefect server at {api_url} refuses this account: {code}", fix=fix)
    if code == 404:
        fix = "the address ends in /api, such as http://prefect.example.org:4200/api"
        return Rejected(f"{api_url} is no Prefect API: {path} is not there", fix=fix)
    if code >= 500:
        fix = "try again; the server's log says more"
        return Unavailable(f"the Prefect server at {api_url} answered {code} to {path}", fix=fix)
    told = " ".join(error.response.text.split())[:300]
    return Rejected(f"the Prefect server at {api_url} answered {code} to {path}: {told}", fix="the answer says why")
