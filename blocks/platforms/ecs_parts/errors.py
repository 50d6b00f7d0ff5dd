"""Failures of AWS in our words."""

from __future__ import annotations

import re

from domain.errors import PlatformError, Rejected, Unavailable

_POLICY = "allow it to the block's credentials; docs/reference/ecs-platform.md has the whole policy"
_CREDENTIALS = "renew the credentials (aws sso login, a new token), or correct the block's profile and keys"
# Answers with a status below 500 that say "try again".
_AGAIN = frozenset(
    ("Throttling", "ThrottlingException", "ThrottledException", "Throttled", "RequestThrottled", "SlowDown",
     "RequestThrottledException", "TooManyRequestsException", "ProvisionedThroughputExceededException",
     "RequestLimitExceeded", "PriorRequestNotComplete", "ServerException",
     "ServiceUnavailable", "ServiceUnavailableException", "InternalFailure", "InternalServerError",
     "InternalServiceError", "RequestTimeout", "RequestTimeoutException", "UpdateInProgressException",
     "TransactionInProgressException")
)  # fmt: skip
_DENIED = frozenset(("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"))
_EXPIRED = frozenset(
    ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException",
     "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken",
     "MissingAuthenticationTokenException", "AuthFailure")
)  # fmt: skip
_ACTION = re.compile(r"not authorized to perform:? \[?([a-z0-9-]+:[A-Za-z]+)")


class Said(Rejected):
    """A definite no with AWS's own code, for those who know what to do about it."""

    code = ""


def translated(action: str, code: str, message: str, status: int) -> PlatformError:
    """An error that AWS answered with. `action` is what was asked, as a policy writes it: ecs:CreateService."""
    if code in _EXPIRED:
        return Rejected(f"AWS does not accept the credentials for {action}: {code}: {message}", fix=_CREDENTIALS)
    if status == 429 or status == 408 or status >= 500 or code in _AGAIN:
        return Unavailable(f"AWS answers {action} with {status} {code}: {message}")
    if code in _DENIED or status == 403:
        named = _ACTION.search(message)
        missing = named.group(1) if named else action
        return Rejected(f"AWS denies {missing}: {message}", fix=f"{missing} is missing: {_POLICY}")
    said = Said(f"AWS answers {action} with {code}: {message}", fix=_FIXES.get(code, ""))
    said.code = code
    return said


_FIXES = {
    "ClusterNotFoundException": "create the cluster, or correct the block's `cluster`",
    "ListenerNotFound": "correct the block's `listener_arn`",
    "TooManyRules": "ask AWS for more rules on the load balancer, or dispose of targets that are not needed",
    "TooManyTargetGroups": "ask AWS for more target groups, or run `tes gc`",
    "PlatformTaskDefinitionIncompatibilityException": "correct release.resources or the block's `launch_type`",
}


def unreached(action: str, error: Exception) -> PlatformError:
    """What botocore raises without an answer of AWS, by the name of its class: the library may not be there."""
    name, said = type(error).__name__, f"{action}: {error}"
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return Rejected(f"no credentials for AWS: {said}", fix="give the block a profile or keys, or set AWS_PROFILE")
    if name in ("ProfileNotFound", "NoRegionError", "InvalidRegionError", "InvalidConfigError"):
        return Rejected(f"AWS is not configured: {said}", fix="correct the block's `profile` and `region`")
    if name in ("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "SSOError"):
        return Rejected(f"the sign-on to AWS is over: {said}", fix=_CREDENTIALS)
    if name in ("ParamValidationError", "UnknownServiceError", "InvalidEndpointConfigurationError"):
        return Rejected(f"AWS cannot be asked that: {said}")
    return Unavailable(f"AWS gave no whole answer to {said}", fix="look whether the block's endpoint can be reached")
