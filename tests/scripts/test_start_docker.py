"""scripts/start-docker.sh starts an engine only where none answers, and says what is missing. The engines are fakes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

CLIENT = '#!/bin/sh\n[ -f "$FLAG" ] && echo 20.10.24 || exit 1\n'
ENGINE = '#!/bin/sh\n[ "$1" = --pidfile ] && echo $$ > "$2"\n%s\ntouch "$FLAG"\nexec sleep 60\n'
ROOT_USER = "#!/bin/sh\necho 0\n"


def start(root: Path, tmp_path: Path, tools: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The script with these commands on PATH beside the ordinary ones that it needs."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("bash", "sh", "cat", "mkdir", "rm", "seq", "setsid", "sleep", "tail", "touch", "env"):
        found = next(path for path in (Path("/usr/bin") / name, Path("/bin") / name) if path.exists())
        if not (folder / name).exists():
            (folder / name).symlink_to(found)
    for name, text in tools.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {"PATH": str(folder), "FLAG": str(tmp_path / "up"), "TES_DOCKER_STATE": str(tmp_path / "state")}
    script = [str(folder / "bash"), str(root / "scripts" / "start-docker.sh")]
    return subprocess.run(
        script, env=environment | {"TES_DOCKER_WAIT": "5"}, capture_output=True, text=True, timeout=60
    )


def test_an_engine_that_answers_is_left_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "up").touch()
    done = start(root, tmp_path, {"docker": CLIENT, "dockerd": "#!/bin/sh\nexit 9\n"})
    assert (done.returncode, done.stdout) == (0, "Docker engine 20.10.24 answers already\n")
    assert not (tmp_path / "state").exists()


def test_an_engine_is_started_detached_also_after_a_killed_one(root: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "docker.pid").write_text("999999999")
    tools = {"docker": CLIENT, "dockerd": ENGINE % "sleep 0.3", "id": ROOT_USER}
    done = start(root, tmp_path, tools)
    pid = int((tmp_path / "state" / "docker.pid").read_text())
    try:
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"Docker engine 20.10.24 started (pid {pid}, log ")
        assert os.getsid(pid) == pid, "it would end with the shell that started it"
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("tools", "code", "told"),
    [
        ({}, 3, "no docker client on PATH"),
        ({"docker": CLIENT}, 3, "there is no dockerd"),
        ({"docker": CLIENT, "dockerd": ENGINE % "", "id": "#!/bin/sh\necho 1000\n"}, 3, "needs root"),
        ({"docker": CLIENT, "dockerd": ENGINE % "echo no room >&2; exit 1", "id": ROOT_USER}, 4, "no room"),
    ],
)
def test_what_is_missing_is_told(root: Path, tmp_path: Path, tools: dict[str, str], code: int, told: str) -> None:
    done = start(root, tmp_path, tools)
    assert done.returncode == code and told in done.stderr
