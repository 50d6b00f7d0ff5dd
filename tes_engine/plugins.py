"""What the project's own plugins do to its cases, and do not say: a verdict is worth what a reader can know of it."""

from __future__ import annotations

import os
from typing import Any, Iterator, List, Sequence

from .gather import LOCAL, place
from .journal import Journal

# They decide how, or whether, a case is run.
_RUNNERS = ("pytest_runtest_protocol", "pytest_pyfunc_call")
_KNOWN = (*LOCAL, "pytest_rerunfailures.", "flaky.", "pytest_twisted.", "pytest_trio.", "pytest_tornasync.",
          "pytest_subprocess.", "pytest_forked.", "pytest_flakefinder.", "_tes_engine.")  # fmt: skip


def tell_dropped(config: Any, journal: Journal, before: Sequence[Any], after: Sequence[Any], told: List[Any]) -> None:
    """Says in a hook's place that it took cases out of a collection, where it has not told `pytest_deselected`."""
    kept = {id(item) for item in (*after, *told)}
    gone = [item for item in before if id(item) not in kept]
    if gone:
        text = f"{len(gone)} case(s) were dropped by a plugin that did not say so, the first: {gone[0].nodeid}"
        journal.write({"e": "note", "text": text})
        config.hook.pytest_deselected(items=gone)


def runners(config: Any) -> Iterator[str]:
    """A note for each plugin that runs cases in pytest's place: nobody sees whether it does."""
    for name in _RUNNERS:
        for one in getattr(config.hook, name).get_hookimpls():
            module = getattr(one.function, "__module__", "") or ""
            if not (one.hookwrapper or getattr(one, "wrapper", False) or f"{module}.".startswith(_KNOWN)):
                yield f"{name} in {place(one.function)} may run cases in its own way: what it says of them is believed"


def whose(error: BaseException) -> str:
    """An exception's words, and the place that is neither pytest's nor ours that raised it, or called what did."""
    found, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        module = trace.tb_frame.f_globals.get("__name__") or ""
        if not f"{module}.".startswith(("_pytest.", "pluggy.", "_tes_engine.", "pytest.", "__main__.")):
            found = f" in {os.path.basename(code.co_filename)}:{trace.tb_lineno} ({code.co_name})"
            # Deeper there is only what it called.
            if code.co_name.startswith("pytest_"):
                break
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{found}"[:2000]
