"""The shell entrances, run with stand-ins for what they call: the words they pass on, the code they end with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def executable(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o755)
    return path


def run(argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    return subprocess.run(argv, capture_output=True, text=True, env=own | environment, timeout=60)


@pytest.fixture
def tes(tmp_path: Path) -> Path:
    """A `tes` that prints its arguments, one a line."""
    return executable(tmp_path / "tes", '#!/bin/sh\nprintf "%s\\n" "$@"\n')


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ("--platform aws --environment production", ". --platform ecs --environment production"),
        ("--platform azure --environment e", ". --platform azure_container_instances --environment e"),
        ("--platform gcp --environment e", ". --platform cloud_run --environment e"),
        ("--platform cloud_run --environment e", ". --platform cloud_run --environment e"),
        ("--platform=k8s --environment=staging", ". --platform kubernetes --environment staging"),
        (
            "--environment staging --platform local --version v1.2.0 --strategy canary --plan --yes shop",
            "shop --platform local --environment staging --version v1.2.0 --strategy canary --plan --yes",
        ),
    ],
)
def test_deploy_passes_its_words_on_to_tes_deploy(tes: Path, words: str, passed: str) -> None:
    done = run([str(SCRIPTS / "deploy.sh"), *words.split()], TES=str(tes))
    assert (done.returncode, done.stdout.split()) == (0, ["deploy", *passed.split()]), done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("", "--platform is missing"),
        ("--platform aws", "--environment is missing"),
        ("--platform heroku --environment production", "heroku"),
        ("--platform --environment production", "--platform needs a value"),
        ("--platform aws --environment", "--environment needs a value"),
        ("--platform aws --environment production --force", "unknown option --force"),
        ("--platform aws --environment production one two", "one and two"),
    ],
)
def test_deploy_refuses_what_it_does_not_understand_with_exit_3_and_a_fix(tes: Path, words: str, named: str) -> None:
    done = run([str(SCRIPTS / "deploy.sh"), *words.split()], TES=str(tes))
    assert done.returncode == 3 and not done.stdout
    assert named in done.stderr and "fix: " in done.stderr


def test_deploy_ends_with_the_code_of_tes(tmp_path: Path) -> None:
    tes = executable(tmp_path / "tes", "#!/bin/sh\nexit 2\n")
    assert run([str(SCRIPTS / "deploy.sh"), *"--platform aws --environment e".split()], TES=str(tes)).returncode == 2


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "PASS"), (1, "FAIL"), (2, "INCONCLUSIVE"), (3, "ERROR"), (4, "ERROR"), (137, "ERROR")]
)
def test_a_ci_release_ends_with_the_code_of_tes_and_says_the_outcome(tmp_path: Path, code: int, outcome: str) -> None:
    tes = executable(tmp_path / "tes", f'#!/bin/sh\necho "words: $*"\nexit {code}\n')
    output, summary = tmp_path / "output", tmp_path / "summary"
    done = run(
        [str(SCRIPTS / "ci-release.sh")],
        TES=str(tes),
        ENVIRONMENT="production",
        VERSION="v1.2.0",
        GITHUB_OUTPUT=str(output),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert done.returncode == code
    assert output.read_text() == f"outcome={outcome}\n"
    assert f"{outcome}: release to production" in summary.read_text()
    assert "    words: release . --environment production --yes --version v1.2.0" in summary.read_text()


def test_a_ci_release_whose_status_cannot_be_set_keeps_its_verdict(tmp_path: Path, tes: Path) -> None:
    """Port 9 of this machine answers nobody; the token appears nowhere."""
    done = run(
        [str(SCRIPTS / "ci-release.sh")],
        TES=str(tes),
        ENVIRONMENT="staging",
        STATUS_TOKEN="token-of-the-test",
        GITHUB_REPOSITORY="o/r",
        GITHUB_SHA="0" * 40,
        GITHUB_API_URL="http://127.0.0.1:9",
    )
    assert done.returncode == 0
    assert "::warning::" in done.stdout
    assert "token-of-the-test" not in done.stdout + done.stderr


def python(path: Path, version: str, *, fits: bool, venv: bool = True) -> Path:
    """A stand-in for an interpreter, answering the three questions of find-python.sh."""
    return executable(
        path,
        "#!/bin/sh\ncase $2 in\n"
        f"*platform*) echo {version} ;;\n"
        f"*version_info*) exit {0 if fits else 1} ;;\n"
        f"*ensurepip*) exit {0 if venv else 1} ;;\n"
        "esac\n",
    )


def find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(["/bin/sh", str(SCRIPTS / "find-python.sh")], **{"PATH": str(folder), **environment})


def test_an_old_python3_is_passed_over_for_a_newer_one(tmp_path: Path) -> None:
    python(tmp_path / "python3", "3.9.2", fits=False)
    newer = python(tmp_path / "python3.12", "3.12.1", fits=True)
    assert find_python(tmp_path).stdout.strip() == str(newer)


def test_a_name_on_path_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    """A version manager leaves such names for versions that are not installed."""
    executable(tmp_path / "python3.13", "#!/bin/sh\nexit 127\n")
    works = python(tmp_path / "python3.11", "3.11.2", fits=True)
    assert find_python(tmp_path).stdout.strip() == str(works)


def test_without_a_fitting_python_it_says_what_was_found_and_what_to_install(tmp_path: Path) -> None:
    python(tmp_path / "python3", "3.9.2", fits=False)
    done = find_python(tmp_path)
    assert done.returncode == 1 and not done.stdout
    assert "python3 (3.9.2)" in done.stderr and "fix: install" in done.stderr


def test_debian_without_python3_venv_is_told_the_package(tmp_path: Path) -> None:
    python(tmp_path / "python3", "3.11.2", fits=True, venv=False)
    done = find_python(tmp_path)
    assert done.returncode == 1 and "apt-get install python3-venv" in done.stderr
