"""A glance into records that are a file of SQLite: whether a project has anything in quarantine at all.

Most have nothing, and loading SQLModel to hear that is half a second in front of a person's prompt. What this does not
understand it leaves to the records themselves. Standard library only.
"""

from __future__ import annotations

import os
from urllib.parse import quote

from tasks.state_folder import home

_URL = "TES_DATABASE_URL"
_FILE = "sqlite:///"


def surely_nothing(project: str) -> bool:
    """True when nothing of the project is in quarantine; False when something is, or may be."""
    # The settings take the name in any case.
    said = [value for name, value in os.environ.items() if name.upper() == _URL]
    url = said[0] if said and said[0] else f"{_FILE}{os.path.join(home(), 'records.db')}"
    if len(said) > 1 or not url.startswith(_FILE) or "?" in url:
        return False
    path = os.path.abspath(url.removeprefix(_FILE))
    if not os.path.exists(path):
        return True
    import sqlite3

    ask = "SELECT 1 FROM quarantines WHERE project = ? AND released IS NULL LIMIT 1"
    try:
        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=0.1)
        try:
            return connection.execute(ask, (project,)).fetchone() is None
        finally:
            connection.close()
    except sqlite3.Error:
        return False
