"""A headless Chromium that opens a file and says what came of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path

# Without these, every start looks for the network, and a root user's browser refuses to start.
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --enable-logging=stderr"
).split()


@dataclass(frozen=True)
class Seen:
    """The page after its scripts ran, and what they or the browser wrote to the console."""

    dom: str
    console: tuple[str, ...]

    def texts(self, kind: str) -> list[str]:
        """The texts of the elements of this class that hold nothing but text."""
        found = re.findall(rf'<\w+ class="{kind}"[^>]*>([^<]*)</', self.dom)
        return [unescape(text) for text in found]


def opened(page: Path, fragment: str = "") -> Seen:
    """Opens the page from the disk."""
    browser = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with tempfile.TemporaryDirectory(prefix="tes-browser-", ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", f"{page.as_uri()}#{fragment}"],
            capture_output=True,
            timeout=120,
            check=True,
        )
    log = done.stderr.decode("utf-8", "replace")
    console = tuple(line for line in log.splitlines() if "CONSOLE" in line)
    return Seen(done.stdout.decode("utf-8", "replace"), console)
