"""Runs a `Command` and says how it went. The one place where a tool becomes a process.

A tool gets a clean environment (its report must not depend on who runs it), its own process group (so that nothing of
it outlives a time-out or Ctrl-C), bounded output, and no standard input. On Linux it also dies with us: an orphaned
tool would go on writing into a run that nobody reads.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from domain.errors import MissingTool, ToolError
from tasks.process_group import dies_with_parent, kill_group
from toolchain.command import Command, Ran

OUTPUT_LIMIT = 64 * 1024 * 1024
GRACE = 3.0

_KEPT = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR", "LANG", "TERM", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY",
    "no_proxy", "http_proxy", "https_proxy", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CI",
    # where toolchains live
    "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "GOPATH", "GOROOT", "GOMODCACHE", "GOCACHE", "GOPROXY",
    "JAVA_HOME", "GRADLE_USER_HOME",
}  # fmt: skip
_KEPT_PREFIXES = ("LC_", "PIP_", "NPM_CONFIG_", "SSL_CERT_", "DOCKER_", "XDG_", "UV_", "TRIVY_")


def clean_environment(source: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a tool inherits: paths, locale, proxies, certificates; nothing of Python's, pytest's, Prefect's or ours."""
    kept = {k: v for k, v in source.items() if k in _KEPT or k.startswith(_KEPT_PREFIXES)}
    return {"LANG": "C.UTF-8", **kept}


def find(tool: str) -> Path | None:
    """The executable of that name on PATH, else beside our own interpreter (extras install there), else None."""
    beside = str(Path(sys.prefix) / "bin")
    found = shutil.which(tool, path=os.pathsep.join([os.environ.get("PATH", os.defpath), beside]))
    return Path(found) if found else None


async def _pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, int]:
    # Our own pipes: asyncio's own process pipes make wait() wait for whatever the tool left running, too.
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
    )
    return reader, transport, writing


async def _copy(stream: asyncio.StreamReader, path: Path, limit: int) -> bool:
    """Writes a stream to a file up to the limit, reads on to keep the tool from blocking; True when it was cut."""
    written, cut = 0, False
    with path.open("wb") as file:
        while chunk := await stream.read(1 << 16):
            room = limit - written
            file.write(chunk[:room])
            written += min(len(chunk), room)
            cut = cut or len(chunk) > room
            file.flush()
    return cut


async def _stop(process: asyncio.subprocess.Process) -> None:
    kill_group(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        kill_group(process.pid, signal.SIGKILL)
        await process.wait()
    kill_group(process.pid, signal.SIGKILL)


async def execute(command: Command, out: Path, *, output_limit: int = OUTPUT_LIMIT) -> Ran:
    """Runs the command; its output goes to `out`/stdout.log and stderr.log.

    Returns how it went, whatever the exit code: a parser judges. Raises MissingTool when the executable is not there
    and ToolError when it cannot be started.
    """
    tool = command.argv[0]
    # `./build/tests`, `vendor/bin/phpunit`: within the project, wherever we are ourselves.
    executable = Path(command.cwd or "", tool).absolute() if "/" in tool else find(tool)
    if executable is None or not executable.exists():
        raise MissingTool(f"{tool} is not installed: not on PATH, nor beside {sys.executable}", fix=f"install {tool}")
    for folder in (out, *command.creates):
        folder.mkdir(parents=True, exist_ok=True)
    for path, text in command.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if command.report is not None:
        command.report.parent.mkdir(parents=True, exist_ok=True)
        command.report.unlink(missing_ok=True)

    stdout, stderr = out / "stdout.log", out / "stderr.log"
    out_reader, out_transport, out_fd = await _pipe()
    err_reader, err_transport, err_fd = await _pipe()
    began = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            str(executable),
            *command.argv[1:],
            cwd=command.cwd,
            env={**clean_environment(), **command.environment, **command.secrets},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out_fd,
            stderr=err_fd,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
    except OSError as error:
        raise ToolError(f"{tool} cannot be started: {error}", fix=f"check {executable}") from error
    finally:
        os.close(out_fd)
        os.close(err_fd)
    readers = asyncio.gather(_copy(out_reader, stdout, output_limit), _copy(err_reader, stderr, output_limit))
    timed_out = False
    try:
        await asyncio.wait_for(process.wait(), command.timeout)
    except TimeoutError:
        timed_out = True
        await _stop(process)
    except BaseException:
        await _stop(process)
        readers.cancel()
        out_transport.close()
        err_transport.close()
        raise
    # What the tool left running still holds its pipes: end it, or reading would never end.
    kill_group(process.pid, signal.SIGKILL)
    cut = await readers
    out_transport.close()
    err_transport.close()
    return Ran(
        argv=command.argv,
        exit_code=None if timed_out else process.returncode,
        seconds=time.monotonic() - began,
        stdout=stdout,
        stderr=stderr,
        report=command.report,
        timed_out=timed_out,
        truncated=any(cut),
    )
