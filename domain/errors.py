"""What can break. A failing test or a bad canary is a `Verdict`, never one of these.

    TesError                 exit 4
    ├── SpecError            exit 3   what a person wrote cannot be used: tes.yaml, an option, a reference
    ├── CapabilityError      exit 3   what is asked for is not possible here: a platform's verb, a missing extra
    ├── ToolError            exit 4   a tool crashed or ran out of time
    │   └── MissingTool      exit 4   it is not installed here
    ├── ReportError          exit 4   a tool's report is missing, cut off, or says something that cannot be true
    ├── PlatformError        exit 4
    │   ├── Unavailable      exit 4   no answer, or "try again": worth repeating
    │   └── Rejected         exit 4   a definite no: repeating it changes nothing
    └── LockHeld             exit 4   somebody else holds the environment or the state folder

Every message says what happened, where, and what to do about it.
"""

from __future__ import annotations

EXIT_PASS, EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_USAGE, EXIT_BROKEN = 0, 1, 2, 3, 4


class TesError(Exception):
    """Something broke. `fix` is the next thing a person should do, in one sentence."""

    exit_code = EXIT_BROKEN

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (a worker's result, a pool); the default would drop `fix`.
        return _rebuild, (type(self), self.message, self.fix)


def _rebuild(kind: type[TesError], message: str, fix: str) -> TesError:
    return kind(message, fix=fix)


class SpecError(TesError):
    """What a person wrote cannot be used."""

    exit_code = EXIT_USAGE


class CapabilityError(TesError):
    """What is asked for cannot be done here."""

    exit_code = EXIT_USAGE


class ToolError(TesError):
    """A tool crashed or ran out of time."""


class MissingTool(ToolError):
    """A tool is not installed here."""


class ReportError(TesError):
    """A tool's report cannot be trusted."""


class PlatformError(TesError):
    """A platform could not do what it was told."""


class Unavailable(PlatformError):
    """No answer, or an answer that says: try again."""


class Rejected(PlatformError):
    """A definite no."""


class LockHeld(TesError):
    """Somebody else is at work on the same thing."""
