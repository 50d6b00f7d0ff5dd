"""How a project's service is started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath

_ORDER = ("app", "main", "server", "wsgi", "asgi", "application", "api", "__init__")
_ASGI = ("FastAPI", "Starlette", "Quart", "Litestar", "get_asgi_application")
_WSGI = ("Flask", "get_wsgi_application")
_APPLICATION = re.compile(
    rf"^(app|application|api)\s*(?::\s*[\w.]+\s*)?=\s*(?:[\w.]+\.)?({'|'.join(_ASGI + _WSGI)})\(", re.MULTILINE
)
_FACTORY = re.compile(r"^def (create_app|make_app)\(\s*\)", re.MULTILINE)
_SHELL = re.compile(r"[|&;<>`]|\$\(|\$(?!\{?PORT\b)")


def service_command(files: frozenset[str], texts: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """The argv, with ${PORT} for the copy's own port, and what tells so; () and "" when nothing does."""
    command, why = _procfile(texts.get("Procfile", ""))
    return (command, why) if command else _module(files, texts)


def _procfile(text: str) -> tuple[tuple[str, ...], str]:
    found = re.search(r"^web:\s*(\S.*)$", text, re.MULTILINE)
    if not found or _SHELL.search(found[1]):
        return (), ""
    try:
        words = shlex.split(found[1])
    except ValueError:
        return (), ""
    return tuple(re.sub(r"\$\{?PORT\b\}?", "${PORT}", word) for word in words), "Procfile has a web line"


def _module(files: frozenset[str], texts: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    needs = "\n".join(text for name, text in texts.items() if not name.endswith(".py") or name == "setup.py").lower()
    candidates = [name for name in texts if name in files and PurePosixPath(name).stem in _ORDER]
    # The outermost first; a package's __init__ only when no file of a telling name has it.
    candidates.sort(key=lambda name: (_ORDER.index(PurePosixPath(name).stem) == 7, name.count("/"), _rank(name), name))
    for name in candidates:
        if found := _APPLICATION.search(texts[name]):
            kind = _ASGI if found[2] in _ASGI else _WSGI
            command = _server(_dotted(name), found[1], kind is _ASGI, False, needs, flask=found[2] == "Flask")
            if command:
                return command, f"{name} has {found[1]} = {found[2]}(...)"
    for name in candidates:
        text = texts[name]
        if found := _FACTORY.search(text):
            asgi = any(re.search(rf"\b{word}\(", text) for word in _ASGI)
            flask = re.search(r"\bFlask\(", text) is not None
            command = _server(_dotted(name), found[1], asgi, True, needs, flask=flask) if asgi or flask else ()
            if command:
                return command, f"{name} has {found[1]}()"
    return (), ""


def _rank(name: str) -> int:
    return _ORDER.index(PurePosixPath(name).stem)


def _dotted(name: str) -> str:
    parts = list(PurePosixPath(name).with_suffix("").parts)
    if parts[0] == "src":
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _server(module: str, name: str, asgi: bool, factory: bool, needs: str, *, flask: bool) -> tuple[str, ...]:
    """The first server that the project's own requirements name; Flask brings one along."""
    where = f"{module}:{name}"
    if asgi:
        served = "uvicorn" in needs or "fastapi[" in needs
        more = ("--factory",) if factory else ()
        return ("uvicorn", where, *more, "--host", "127.0.0.1", "--port", "${PORT}") if served else ()
    if "gunicorn" in needs:
        return ("gunicorn", f"{where}()" if factory else where, "--bind", "127.0.0.1:${PORT}")
    if "waitress" in needs:
        more = ("--call",) if factory else ()
        return ("waitress-serve", "--listen=127.0.0.1:${PORT}", *more, where)
    return ("flask", "--app", where, "run", "--host", "127.0.0.1", "--port", "${PORT}") if flask else ()
