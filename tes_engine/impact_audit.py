"""What a case opens and starts, by Python's audit events. A hook cannot be taken back, hence one for the process's life
that speaks to whoever listens.

Reading a module to import it is not reading a data file. Reading the text of a program otherwise is. What pytest itself
reads to report is nobody's.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Optional, Tuple

if TYPE_CHECKING:
    from .impact import Recorder

_PROCESS = frozenset(
    ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")
)
_LISTS = frozenset(("os.listdir", "os.scandir"))
_READS = frozenset((*_LISTS, "open"))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NEAR = ("127.", "::1", "localhost")
FAR = 25
"""Frames in which the reason for a reading is looked for."""

_listener: Optional[Recorder] = None
_installed = False


def listen(recorder: Optional[Recorder]) -> None:
    """From now on the events go to this recorder; None: to nobody."""
    global _listener, _installed
    _listener = recorder
    if not _installed:
        _installed = True
        sys.addaudithook(_hear)


def _hear(event: str, args: Tuple[Any, ...]) -> None:
    if event not in _READS and event not in _PROCESS and event != "socket.connect":
        return
    recorder = _listener
    if recorder is None:
        return
    try:
        if event in _READS:
            _read(recorder, event, args)
        elif event == "socket.connect":
            _connects(recorder, args[1])
        elif recorder.running or len(recorder.bags) > 1 or event == "subprocess.Popen":
            recorder.bags[-1].anything = True
    except Exception:  # pragma: no cover
        # An exception here would come out of the project's own open().
        recorder.bags[-1].doubt = "what it opened could not be recorded"


def _connects(recorder: Recorder, address: Any) -> None:
    if isinstance(address, tuple) and address and not str(address[0]).startswith(_NEAR):
        recorder.bags[-1].doubt = f"it talks to {address[0]}"


def _read(recorder: Recorder, event: str, args: Tuple[Any, ...]) -> None:
    name = args[0]
    if event in _LISTS:
        name = "." if name is None else name
    elif args[1] is None:
        if isinstance(args[2], int) and args[2] & _WRITES:
            return
    elif any(letter in args[1] for letter in "wax+"):
        return
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    if not isinstance(name, str):
        return
    absolute = os.path.abspath(name)
    path = recorder.path(absolute)
    if path is None:
        return
    caller = None
    frame = sys._getframe(2)
    for _ in range(FAR):
        code = frame.f_code
        file = code.co_filename
        caller = recorder.number(code)
        if caller is not None:
            break
        if "importlib" in file or "/assertion/rewrite" in file.replace(os.sep, "/"):
            return _imported(recorder, frame, path)
        if "_pytest" in file or "/pluggy/" in file.replace(os.sep, "/") or "tes_engine" in file:
            return
        if frame.f_back is None:
            return
        frame = frame.f_back
    if "__pycache__" in path or path.endswith(".pyc"):
        return
    recorder.opened(path, caller)


def _imported(recorder: Recorder, frame: Any, path: str) -> None:
    """Who imports a module executes it: a call from the importer to the module's top."""
    if "__pycache__/" in path:
        folder, _, name = path.partition("__pycache__/")
        path = f"{folder}{name.partition('.')[0]}.py"
    if not path.endswith(".py"):
        return
    for _ in range(FAR):
        frame = frame.f_back
        if frame is None:
            return
        caller = recorder.number(frame.f_code)
        if caller is not None:
            return recorder.say({"e": "import", "c": caller, "f": path})
