"""What a case opens and starts, by Python's audit events. A hook cannot be taken back, hence one for the process's life
that speaks to whoever listens.

Reading a module to import it is not reading a data file. Reading the text of a program otherwise is. What pytest itself
reads to report is nobody's.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Optional, Tuple

from .impact_codes import BYTECODE

if TYPE_CHECKING:
    from .impact import Recorder

_PROCESS = frozenset(
    ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn")
)
_LISTS = frozenset(("os.listdir", "os.scandir"))
_LOADS = frozenset(("sqlite3.connect", "ctypes.dlopen"))
_READS = frozenset((*_LISTS, *_LOADS, "open"))
_HEARD = _READS | _PROCESS | {"socket.connect", "exec"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NEAR = ("127.", "::1", "localhost")
ANYTHING, REMOTE = "*", "!"
"""Stand for every file of the project, and for another machine (`tasks/impact_store.py`)."""
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
    if event not in _HEARD:
        return
    recorder = _listener
    if recorder is None:
        return
    try:
        if event == "exec":
            recorder.executes(args[0])
        elif event in _READS:
            _read(recorder, event, args)
        elif event == "socket.connect":
            _connects(recorder, args[1])
        elif recorder.running or len(recorder.bags) > 1 or event == "subprocess.Popen":
            recorder.bags[-1].anything = True
            _because(recorder, ANYTHING)
    except Exception:  # pragma: no cover
        # An exception here would come out of the project's own open().
        recorder.bags[-1].doubt = "what it opened could not be recorded"


def _connects(recorder: Recorder, address: Any) -> None:
    bag = recorder.bags[-1]
    if not isinstance(address, tuple):
        _because(recorder, ANYTHING)
        bag.anything = True  # a socket of this machine that has a file: some process is behind it
    elif address and not str(address[0]).startswith(_NEAR):
        _because(recorder, REMOTE)
        bag.doubt = f"it talks to {address[0]}"


def _because(recorder: Recorder, what: str) -> None:
    """Who asked for it may keep what came of it, for others to find."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        caller = recorder.number(frame.f_code)
        if caller is not None:
            return recorder.say({"e": "open", "c": caller, "p": what})
        frame = frame.f_back


def _read(recorder: Recorder, event: str, args: Tuple[Any, ...]) -> None:
    name = args[0]
    if event in _LISTS:
        name = "." if name is None else name
    elif event in _LOADS:
        if not isinstance(name, (str, bytes)) or not os.path.isfile(name):
            return
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
    path = recorder.path(absolute.replace(f"{os.sep}__pycache__{os.sep}", f"{os.sep}{BYTECODE}{os.sep}"))
    if path is None:
        return
    caller, pytests = None, False
    frame: Any = sys._getframe(2)
    for _ in range(FAR):
        code = frame.f_code
        file = code.co_filename
        caller = recorder.number(code)
        if caller is not None:
            break
        if "importlib" in file or "/assertion/rewrite" in file.replace(os.sep, "/"):
            return _imported(recorder, frame, path)
        if "_pytest" in file or "/pluggy/" in file.replace(os.sep, "/") or "tes_engine" in file:
            pytests = True  # for its own sake, unless a test asked it to
        frame = frame.f_back
        if frame is None:
            break
    if caller is None and pytests:
        return
    if BYTECODE in path or path.endswith(".pyc"):
        return
    recorder.opened(path, caller)


def _imported(recorder: Recorder, frame: Any, path: str) -> None:
    """Who imports a module executes it: a call from the importer to the module's top."""
    if f"{BYTECODE}/" in path:
        folder, _, name = path.partition(f"{BYTECODE}/")
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
