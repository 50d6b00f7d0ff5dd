"""The exact argv for venv and pip, and what is read from pip's report and from its complaints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain.errors import ReportError
from tests.tasks.wheelhouse import wheel
from toolchain.builders import bundle
from toolchain.command import Ran

FIXTURES = Path(__file__).parent / "fixtures" / "bundle"
PIP = (sys.executable, "-I", "-m", "pip", "--python", "/env/bin/python", "--no-input", "--disable-pip-version-check")
PYTHON = Path("/env/bin/python")


def ran(tmp_path: Path, stdout: str, stderr: str) -> Ran:
    (tmp_path / "out").write_text(stdout)
    (tmp_path / "err").write_text(stderr)
    return Ran(argv=("pip",), exit_code=1, seconds=1, stdout=tmp_path / "out", stderr=tmp_path / "err")


def test_the_exact_argv(tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert bundle.create("python3.12", Path("/env"), 60).argv == (
        *("python3.12", "-I", "-m", "venv", "--clear", "--without-pip", "/env"),
    )
    command = bundle.install(PYTHON, work, ("flask",), ("six==1",), 9)
    assert command.argv == (
        *(*PIP, "--no-color", "install", "--no-compile", "--no-warn-script-location", "--progress-bar", "off"),
        *("--report", f"{work}/report.json", "-r", f"{work}/requirements.txt", "-c", f"{work}/constraints.txt"),
    )
    assert command.files == {work / "requirements.txt": "flask\n", work / "constraints.txt": "six==1\n"}
    assert "-c" not in bundle.install(PYTHON, work, ("flask",), (), 9).argv
    wheel_argv = (
        *(*PIP, "--no-color", "wheel", "--no-deps", "--use-pep517", "--progress-bar", "off", "--wheel-dir", "/out"),
    )
    assert bundle.wheel(PYTHON, Path("/src"), Path("/out"), 9, isolated=True).argv == (*wheel_argv, "/src")
    shared = bundle.wheel(PYTHON, Path("/src"), Path("/out"), 9, isolated=False)
    assert shared.argv == (*wheel_argv, "--no-build-isolation", "/src")
    assert bundle.install_wheel(PYTHON, Path("/a.whl"), 9).argv == (
        *(*PIP, "--no-color", "install", "--no-deps", "--no-index", "--no-compile", "--no-warn-script-location"),
        *("--force-reinstall", "/a.whl"),
    )


def test_a_lock_from_a_report_of_real_pip_has_no_address_of_an_index() -> None:
    text = bundle.lock(FIXTURES / "report.json")
    assert text == (FIXTURES / "lock.txt").read_text()
    assert "index.example" not in text and "hunter2" not in text
    assert bundle.pins(text) == ("flask==3.1.3", "zope-interface==8.0")


@pytest.mark.parametrize("content", ["", "{}", '{"install": [{}]}', '{"install": 3}', "[]"])
def test_a_report_that_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ReportError, match="cannot be read"):
        bundle.lock(tmp_path / "report.json")


def test_what_a_wheel_requires(tmp_path: Path) -> None:
    assert bundle.requires(wheel(tmp_path, "a", "1", ["b>1", 'c; extra == "x"'])) == ("b>1", 'c; extra == "x"')
    (tmp_path / "broken.whl").write_bytes(b"PK")
    with pytest.raises(ReportError, match="is not a wheel"):
        bundle.requires(tmp_path / "broken.whl")


CONFLICT = """ERROR: Cannot install -r /s/r.txt (line 1) and b==1 because these have conflicting dependencies.

The conflict is caused by:
    The user requested a
    b 1 depends on a<1

To fix this you could try to:
ERROR: ResolutionImpossible: for help visit the documentation
"""
BUILD = """  error: subprocess-exited-with-error
  \u00d7 Building wheel for x did not run successfully.
      File "setup.py", line 1
      error: command 'gcc' failed: No such file or directory
  ERROR: Failed building wheel for x
ERROR: Could not find http://me:hunter2@index.example/simple
"""


def test_what_went_wrong_is_told_without_traceback_and_credentials(tmp_path: Path) -> None:
    told = bundle.trouble(ran(tmp_path, "", CONFLICT))
    assert "conflicting dependencies" in told and "b 1 depends on a<1" in told and "To fix" not in told
    assert "Cannot install requirement and b==1" in told and "/s/" not in told and "ResolutionImp" not in told
    told = bundle.trouble(ran(tmp_path, "", BUILD))
    assert "command 'gcc' failed" in told and "Failed building wheel for x" in told
    assert "hunter2" not in told and "http://***@index.example" in told
    assert bundle.trouble(ran(tmp_path, "", "pip: killed")) == "pip: killed"
