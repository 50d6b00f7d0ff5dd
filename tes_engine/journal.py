"""What happened, one JSON object a line, appended with a single write and never changed.

One file for each process that writes, so that nobody waits and a process killed in the middle of a line spoils no
other's. A line without its newline is a write that was cut off, and counts as not written.
"""

from __future__ import annotations

import errno
import json
import os
from os import getpid, write  # a test may put others in their place
from typing import Any, Dict, Iterator, List, Tuple

Event = Dict[str, Any]

_encode = json.JSONEncoder(separators=(",", ":"), default=repr).encode


class Unwritable(OSError):
    """The journal cannot be written, by nobody: the disk is full, or was taken away. Nothing can be proved then."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
NO_JOURNAL = 74
"""Exit code of a process that cannot write its journal (EX_IOERR of sysexits.h)."""


class Journal:
    """One process's own file. Made anew: two processes never share one."""

    def __init__(self, folder: str, name: str) -> None:
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, f"{name}.jsonl")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.fd = os.open(self.path, flags, 0o644)
        self.owner = getpid()

    def mine(self) -> bool:
        """Whether this is the process that made it, and not a child of that."""
        return getpid() == self.owner

    def write(self, *events: Event) -> None:
        """Append events: when this returns, no process's death touches them. Unwritable when the disk is full.
        A child that a test forked has no say: what it writes is dropped."""
        if not self.mine():
            return
        data = memoryview("".join([_encode(event) + "\n" for event in events]).encode())
        while data:
            try:
                data = data[write(self.fd, data) :]
            except OSError as error:
                # A test that closed all descriptors, or set itself a limit, concerns only its own worker.
                if error.errno in _FULL:
                    raise Unwritable(*error.args) from None
                raise


class Tail:
    """Reads what has been added to a journal's files since the last look."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.seen: Dict[str, int] = {}

    def new(self) -> Iterator[Tuple[str, List[Event]]]:
        """(file name, its new whole lines), for each file that has any."""
        with os.scandir(self.folder) as entries:
            sizes = sorted((entry.name, entry.stat().st_size) for entry in entries if entry.name.endswith(".jsonl"))
        for name, size in sizes:
            at = self.seen.get(name, 0)
            if size > at:
                events, self.seen[name] = read_from(os.path.join(self.folder, name), at)
                if events:
                    yield name, events


def read_from(path: str, at: int = 0) -> Tuple[List[Event], int]:
    """The whole lines behind a byte offset, and the offset behind the last of them."""
    with open(path, "rb") as file:
        file.seek(at)
        data = file.read()
    end = data.rfind(b"\n") + 1
    lines = data[:end].split(b"\n")[:-1]
    try:
        # All at once is half the time of one by one; a newline within a text is an escape.
        events = json.loads(b"[%s]" % b",".join(lines))
        if len(events) == len(lines) and all(type(event) is dict and "e" in event for event in events):
            return events, at + end
    except ValueError:
        pass
    return [_event(line, path) for line in lines], at + end


def _event(line: bytes, path: str) -> Event:
    """A line's event; a problem where something else has written into the journal."""
    try:
        event = json.loads(line)
        if isinstance(event, dict) and "e" in event:
            return event
    except ValueError:
        pass
    return {"e": "problem", "text": f"the journal {os.path.basename(path)} is damaged: a line is not JSON"}
