"""Bad input, through the real command: one clear error that says what to do, the right exit code, and nothing lost."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import chain
from tests.e2e.driver import Answer, Tes
from tests.e2e.tiny import tiny

_ANCHORS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
_numbers = itertools.count(1)
SPECS = {
    "not YAML": ("name: [never closed\n", ":2:1: not YAML"),
    "50 MB": ("# " + "x" * 50_000_000 + "\n", "50,000,003 bytes"),
    "a key said twice": ("name: one\nname: two\n", "name"),
    "anchors that explode": (_ANCHORS, "alias"),
    "a wrong type": ("release: {replicas: many}\n", "release.replicas"),
    "an unknown key": ("relase: {port: 80}\n", "release"),
    "a list": ("- name\n", "a mapping"),
    "bytes that are no text": ("name: \udcff\n", "UTF-8"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    name = f"bad-input-{next(_numbers)}"
    return tiny(tmp_path / name, name)


def is_one_clear_error(answer: Answer, code: int, *told: str) -> None:
    assert answer.code == code, answer.err + answer.out
    assert "Traceback" not in answer.err + answer.out
    for text in told:
        assert text in answer.err, answer.err
    assert answer.err.count("tes: ") == 1 and "fix:" in answer.err, answer.err


@pytest.mark.parametrize("name", SPECS)
def test_a_tes_yaml_that_cannot_be_used(tes: Tes, project: Path, name: str) -> None:
    text, told = SPECS[name]
    (project / "tes.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    answer = tes.run("release", str(project), "-e", "staging", timeout=60)
    is_one_clear_error(answer, 3, told)
    assert len(answer.err) < 2_000
    assert not chain.seen(tes, project.name).releases


def test_an_empty_tes_yaml_is_valid(tes: Tes, project: Path) -> None:
    (project / "tes.yaml").write_text("")
    assert tes.run("validate", str(project)).code == 0
    answer = tes.run("build", str(project), "--json")
    assert answer.code == 0 and answer.outcomes() == {"build": "PASS"}, answer.err


def test_a_source_that_is_not_there(tes: Tes, tmp_path: Path) -> None:
    is_one_clear_error(tes.run("release", str(tmp_path / "nowhere")), 3, "nowhere is not there")
    (tmp_path / "file").write_text("")
    is_one_clear_error(tes.run("release", str(tmp_path / "file")), 3, "file is not a folder")


def without_privileges() -> list[str]:
    """For a test that runs as root, who may read and write everything."""
    if os.getuid() != 0:
        return []
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None or subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        pytest.skip("root may read everything, and setpriv cannot take that right away here")
    return words


def run_without_privileges(tes: Tes, home: Path, *words: str) -> Answer:
    """Through the server that runs already: another home has no launcher, which would have all rights."""
    server = f"http://127.0.0.1:{chain.state_of(tes)['prefect_port']}/api"
    done = subprocess.run(
        [*without_privileges(), *tes.argv(*words)],
        env={**tes.environment, "TES_HOME": str(home), "TES_PREFECT_API_URL": server},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_a_source_that_cannot_be_read(tes: Tes, project: Path) -> None:
    (project / "hidden.py").write_text("x = 1\n")
    (project / "hidden.py").chmod(0)
    is_one_clear_error(run_without_privileges(tes, project.parent / "home", "build", str(project)), 3, "hidden.py")


def test_a_home_that_may_not_be_written(tes: Tes, project: Path) -> None:
    home = project.parent / "home"
    home.mkdir(mode=0o500)
    is_one_clear_error(run_without_privileges(tes, home, "build", str(project)), 4, str(home))


def test_links_that_lead_out_of_the_tree(tes: Tes, project: Path) -> None:
    outside = project.parent / "outside.txt"
    outside.write_text("a neighbour's secret")
    (project / "link.txt").symlink_to(outside)
    answer = tes.run("build", str(project))
    is_one_clear_error(answer, 3, "link.txt")
    assert outside.read_text() == "a neighbour's secret"


def test_a_public_port_that_is_in_use(tes: Tes, project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        spec = project / "tes.yaml"
        spec.write_text(spec.read_text().replace("strategy: canary", f"port: {port}\n    strategy: canary"))
        answer = tes.run("deploy", str(project), "-e", "staging", "--json")
        assert answer.code in (1, 4), answer.err + answer.out
        assert "Traceback" not in answer.err
        reasons = "; ".join(answer.report["stages"][-1]["verdict"]["reasons"])
        assert answer.outcomes()["deploy"] == "FAIL" and f"port {port}" in reasons, answer.out
    again = tes.run("deploy", str(project), "-e", "staging", "--json")
    assert again.code == 0, again.err + again.out
    assert again.report["address"] == f"http://127.0.0.1:{port}"


def test_a_home_that_cannot_be_written(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = Tes(tmp_path / "file" / "home").run("release", str(project), "-e", "staging")
    is_one_clear_error(answer, 3, "TES_HOME")


def test_records_out_of_reach_stop_a_release_before_anything_moves(tes: Tes, project: Path) -> None:
    lost = Tes(tes.home, {"TES_DATABASE_URL": "postgresql://somebody:pass-word@127.0.0.1:9/none"})
    known = set((tes.home / "runs").iterdir())
    answer = lost.run("release", str(project), "-e", "staging", timeout=120)
    is_one_clear_error(answer, 4, "TES_DATABASE_URL")
    assert "pass-word" not in answer.err + answer.out
    assert set((tes.home / "runs").iterdir()) == known
    assert not chain.seen(tes, project.name).releases


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip() or 'not root'}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("records", ["elsewhere", "on it"])
def test_a_disk_that_is_full(tes: Tes, project: Path, small_disk: Path, tmp_path: Path, records: str) -> None:
    """Taking the files, building and the records say so; with room again, the same command goes on."""
    server = f"http://127.0.0.1:{chain.state_of(tes)['prefect_port']}/api"
    place = tmp_path if records == "elsewhere" else small_disk
    command = Tes(
        small_disk,
        {"TES_PREFECT_API_URL": server, "TES_DATABASE_URL": f"sqlite:///{place}/records.db"},
    )
    (project / "data.bin").write_bytes(os.urandom(2_000_000))
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (64 * 2**20 - (64_000 if records == "on it" else 1_000_000)))
    told = "full" if records == "on it" else "no space left"
    is_one_clear_error(command.run("build", str(project)), 4, told)
    assert not list(small_disk.glob("store/sources/*/tree")), "half a snapshot"
    if records == "elsewhere":
        filler.unlink()
        again = command.run("build", str(project), "--json")
        assert again.code == 0, again.err + again.out
