"""Tokens of Microsoft Entra ID, by azure-identity, which is imported when the first one is needed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pydantic import SecretStr

from domain.errors import CapabilityError, Rejected, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_EARLY = 300.0  # seconds before its end that a token is renewed


class Credentials:
    """A client secret where one is given, a managed identity where it is asked for, else whatever azure-identity
    finds: its environment, a workload identity, `az login`."""

    def __init__(
        self,
        tenant: str | None = None,
        client: str | None = None,
        secret: SecretStr | None = None,
        managed: bool = False,
        authority: str | None = None,
    ) -> None:
        self.tenant, self.client, self.secret, self.managed, self.authority = tenant, client, secret, managed, authority
        self._credential: TokenCredential | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def token(self, scope: str, *, anew: bool = False) -> str:
        """A bearer token; blocks. `anew` does not take one that is kept. Rejected when the credential is refused,
        Unavailable when the authority does not answer, CapabilityError without the extra."""
        with self._lock:
            token, ends = self._tokens.get(scope, ("", 0.0))
            if anew or ends - _EARLY < time.time():
                token, ends = self._ask(scope, anew)
                self._tokens[scope] = token, ends
            return token

    def _ask(self, scope: str, anew: bool) -> tuple[str, float]:
        try:
            from azure.core.exceptions import AzureError, ClientAuthenticationError
            from azure.identity import CredentialUnavailableError
        except ImportError as error:
            raise CapabilityError(
                "the platform on Azure needs the extra `azure`, which is not installed",
                fix="pip install 'test-execution-system[azure]'",
            ) from error
        try:
            if anew:
                self._credential = None  # a credential has a cache of its own
            if self._credential is None:
                self._credential = self._made()
            found = self._credential.get_token(scope)
            return found.token, float(found.expires_on)
        except CredentialUnavailableError as error:
            raise Rejected(
                f"there is no credential for Azure: {_first(error)}",
                fix="set the block's tenant, client and client_secret, or managed_identity, or sign in with az login",
            ) from error
        except ClientAuthenticationError as error:
            if _silent(error):
                raise Unavailable(f"the authority gives no token: {_first(error)}") from error
            raise Rejected(
                f"Azure refuses the credential: {_first(error)}",
                fix="renew the client secret, or correct the block's tenant and client",
            ) from error
        except AzureError as error:
            raise Unavailable(f"the authority gives no token: {_first(error)}") from error

    def _made(self) -> TokenCredential:
        from azure.identity import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

        options = {"authority": self.authority} if self.authority else {}
        if self.managed:
            return ManagedIdentityCredential(client_id=self.client) if self.client else ManagedIdentityCredential()
        if self.tenant and self.client and self.secret:
            return ClientSecretCredential(
                self.tenant,
                self.client,
                self.secret.get_secret_value(),
                disable_instance_discovery=bool(self.authority),
                **options,
            )
        return DefaultAzureCredential(**options)


def _silent(error: BaseException | None) -> bool:
    """Whether what looks like a refusal began with no answer, or one that asks for patience: the library calls both a
    failed authentication."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    while error is not None:
        if isinstance(error, ServiceRequestError | ServiceResponseError):
            return True
        if isinstance(error, HttpResponseError) and (error.status_code == 429 or (error.status_code or 0) >= 500):
            return True
        error = error.__cause__ or error.__context__
    return False


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
