"""The locked environment that a bundle runs in, under `store/environments/<key>`.

Two layers. The dependencies are keyed by what was asked for and the interpreter, so that a change of the code does not
install them again; the project itself, where it can be built, is a thin environment over them, keyed by the source.
It is really installed rather than put on PYTHONPATH, because services ask for their own version, entry points and
generated files. A release that is still running keeps its own thin environment, whatever is built meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import shutil
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from domain.errors import SpecError, ToolError
from domain.requirements import Wanted, detect, gather, of_metadata
from domain.spec import Build
from domain.supply import Source
from tasks.execute import execute
from tasks.interpreter import interpreter
from tasks.snapshot import room, work_copy
from tasks.virtual_environment import Locked, finish, layer, making
from toolchain.builders import bundle
from toolchain.command import Command, Ran

log = logging.getLogger(__name__)


async def locked_environment(source: Source, build: Build, store: Path, extra: Sequence[str] = ()) -> Locked:
    """The environment of a source, made when it is not there. Nothing is asked of the network when it is.

    `extra` are further requirements, those of the tests: they come into an environment of their own, in which what
    the service uses has the very versions of the service's own lock.

    SpecError for requirements that cannot be read or an interpreter that is not there, ToolError with pip's own words
    when pip fails, TesError when the disk is full.
    """
    store = store.absolute()
    with room(store):
        (store / "environments").mkdir(parents=True, exist_ok=True)
        wanted = _wanted(source, build)
        kitchen = _Kitchen(source, build, store, *await interpreter(build.python))
        runtime = await kitchen.environment(wanted)
        if not extra:
            return runtime
        more = gather(extra, _reader(source), key="tests.requirements")
        held = bundle.pins(runtime.lock_file.read_text())
        both = wanted.without_hashes().and_also(more.without_hashes())
        return await kitchen.environment(both.and_also(Wanted(constraints=held)))


def _reader(source: Source) -> Callable[[str], str]:
    return lambda path: (Path(source.root) / path).read_text("utf-8")


def _pyproject(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads((Path(source.root) / "pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SpecError(f"pyproject.toml of {source.project} is not TOML: {error}", fix="correct it") from error


def _wanted(source: Source, build: Build) -> Wanted:
    entries = build.requirements
    if entries is None:
        entries = detect(lambda name: (Path(source.root) / name).is_file(), _pyproject(source))
    return gather(entries, _reader(source))


def _build_requires(source: Source) -> tuple[str, ...]:
    """What the project's wheel is built with (PEP 518); what pip takes where the project does not say."""
    said = _pyproject(source).get("build-system", {}).get("requires")
    if said is None:
        return ("setuptools>=40.8.0", "wheel")
    if not isinstance(said, list):
        raise SpecError(f"build-system.requires of {source.project} is no list: {said!r}", fix="correct pyproject.toml")
    return tuple(str(line) for line in said)


class _TimedOut(ToolError):
    """Trying again would only take as long again."""


class _Kitchen(NamedTuple):
    """All that the steps of making an environment share."""

    source: Source
    build: Build
    store: Path
    python: str
    facts: tuple[str, ...]

    def _folder(self, *inputs: object) -> Path:
        text = json.dumps([2, self.facts, *inputs])
        return self.store / "environments" / hashlib.sha256(text.encode()).hexdigest()[:32]

    async def environment(self, wanted: Wanted) -> Locked:
        """Dependencies alone, or the project's thin environment over them."""
        if not wanted.project:
            return await self._dependencies(wanted)
        wheel = await self._wheel()
        if not wanted.hashed:
            lines = of_metadata(bundle.requires(wheel), wanted.extras, wheel.name.partition("-")[0])
            wanted = wanted.model_copy(update={"lines": tuple(dict.fromkeys((*wanted.lines, *lines)))})
        return await self._project(await self._dependencies(wanted), wheel)

    async def _dependencies(self, wanted: Wanted) -> Locked:
        code = self.source.digest if wanted.local else ""
        folder = self._folder("dependencies", wanted.lines, wanted.constraints, code)
        async with making(folder) as whole:
            if whole is None:
                work = folder / ".making"
                await self._venv(folder)
                text = ""
                if wanted.lines:
                    python = folder / "bin" / "python"
                    command = bundle.install(python, work, wanted.lines, wanted.constraints, self.build.timeout)
                    if wanted.local:
                        # Building a folder writes into it; the snapshot must stay as it is.
                        command = command.model_copy(update={"cwd": await work_copy(self.source, work / "source")})
                    await self._run(command, work / "install", "install the requirements")
                    text = bundle.lock(work / "report.json")
                whole = await asyncio.to_thread(finish, folder, text)
        return whole

    async def _wheel(self) -> Path:
        folder = self._folder("wheel", self.source.digest)
        async with making(folder) as whole:
            if whole is None:
                # What builds it is kept as well: a change of the code asks no network.
                tools = await self._dependencies(Wanted(lines=_build_requires(self.source)))
                await self._venv(folder)
                try:
                    await self._build(folder, tools.python, isolated=False)
                except _TimedOut:
                    raise
                except ToolError as error:
                    # Some backends ask for more only when they are asked (PEP 517, get_requires_for_build_wheel).
                    log.info("%s; once more, with an environment that pip makes for it", error.message)
                    await self._build(folder, folder / "bin" / "python", isolated=True)
                await asyncio.to_thread(finish, folder, "")
        found = sorted((folder / "wheel").glob("*.whl"))
        if len(found) != 1:
            raise ToolError(f"building {self.source.project} gave {len(found)} wheels", fix="check its build backend")
        return found[0]

    async def _build(self, folder: Path, python: Path, *, isolated: bool) -> None:
        work = folder / ".making" / ("isolated" if isolated else "shared")
        project = await work_copy(self.source, work / "source")
        command = bundle.wheel(python, project, folder / "wheel", self.build.timeout, isolated=isolated)
        # The snapshot has no .git to ask; only this one build sees the variable.
        version = {"SETUPTOOLS_SCM_PRETEND_VERSION": f"0.0.0+{self.source.version}"}
        await self._run(command.model_copy(update={"environment": version}), work / "log", "build the project")

    async def _project(self, below: Locked, wheel: Path) -> Locked:
        folder = self._folder("project", below.folder.name, self.source.digest)
        async with making(folder) as whole:
            if whole is None:
                await self._venv(folder)
                await asyncio.to_thread(layer, folder, below.folder)
                command = bundle.install_wheel(folder / "bin" / "python", wheel, self.build.timeout)
                await self._run(command, folder / ".making" / "install", "install the project")
                whole = await asyncio.to_thread(finish, folder, below.lock_file.read_text())
        return whole

    async def _venv(self, folder: Path) -> None:
        command = bundle.create(self.python, folder, 120.0)
        # Beside the folder, which venv clears.
        out = folder.with_name(f".{folder.name}.venv")
        try:
            await self._run(command, out, "make a virtual environment")
        finally:
            shutil.rmtree(out, ignore_errors=True)

    async def _run(self, command: Command, out: Path, what: str) -> Ran:
        ran = await execute(command, out)
        if ran.timed_out:
            raise _TimedOut(
                f"pip could not {what} of {self.source.project} within {command.timeout:.0f} s (build.timeout): "
                f"{bundle.trouble(ran)}",
                fix="raise build.timeout, or look at the connection to the package index",
            )
        if ran.exit_code != 0:
            raise ToolError(
                f"pip could not {what} of {self.source.project} (exit {ran.exit_code}): {bundle.trouble(ran)}",
                fix="correct what is asked for: build.requirements and tests.requirements in tes.yaml, "
                "else the files they are detected from (requirements.txt, pyproject.toml, setup.py)",
            )
        return ran
