"""What a project's own files tell, each with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.detection import complete, detect, is_read, is_skipped
from domain.spec import Build, ReleaseSpec, Spec, Suite, Tests

UVICORN = ("--host", "127.0.0.1", "--port", "${PORT}")
# Files with their texts → what is detected (what is not named is nothing).
CASES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "a package": (
        {"pyproject.toml": '[project]\nname = "Shop.Front"'},
        {"name": "shop-front", "requirements": (".",)},
    ),
    "poetry": ({"pyproject.toml": '[tool.poetry]\nname = "shop"'}, {"name": "shop", "requirements": (".",)}),
    "setup.py": ({"setup.py": ""}, {"requirements": (".",)}),
    "setup.cfg": ({"setup.cfg": "[metadata]\nname = x"}, {"requirements": (".",)}),
    "requirements": (
        {"requirements.txt": "flask", "pyproject.toml": "[project]"},
        {"requirements": ("requirements.txt",)},
    ),
    "requirements and src": (
        {"requirements.txt": "flask", "pyproject.toml": "[project]", "src/shop/__init__.py": ""},
        {"requirements": ("requirements.txt", ".")},
    ),
    "a broken pyproject": ({"pyproject.toml": "[project\n"}, {}),
    "a package.json": ({"package.json": '{"name": "@shop/front"}'}, {"name": "front"}),
    "a broken package.json": ({"package.json": "[1, 2"}, {}),
    "a package.json of another kind": ({"package.json": '["vitest"]'}, {}),
    "pytest settings": (
        {"pyproject.toml": "[tool.pytest.ini_options]"},
        {"suites": ("pytest",), "test_requirements": ("pytest",)},
    ),
    "pytest.ini": ({"pytest.ini": ""}, {"suites": ("pytest",), "test_requirements": ("pytest",)}),
    "tox.ini": ({"tox.ini": "[pytest]"}, {"suites": ("pytest",), "test_requirements": ("pytest",)}),
    "tox.ini without": ({"tox.ini": "[tox]"}, {}),
    "setup.cfg with pytest": (
        {"setup.cfg": "[tool:pytest]"},
        {"suites": ("pytest",), "test_requirements": ("pytest",)},
    ),
    "test files": ({"tests/test_a.py": ""}, {"suites": ("pytest",), "test_requirements": ("pytest",)}),
    "a test requirement file": (
        {"pytest.ini": "", "requirements-test.txt": "pytest\nhttpx"},
        {"suites": ("pytest",), "test_requirements": ("requirements-test.txt",)},
    ),
    "a test requirement file without pytest": (
        {"pytest.ini": "", "requirements-dev.txt": "httpx"},
        {"suites": ("pytest",), "test_requirements": ("requirements-dev.txt", "pytest")},
    ),
    "a test extra": (
        {"pyproject.toml": '[project.optional-dependencies]\ntest = ["pytest>=8"]\n[tool.pytest.ini_options]'},
        {"requirements": (".",), "suites": ("pytest",), "test_requirements": (".[test]",)},
    ),
    "a dependency group": (
        {
            "pyproject.toml": '[tool.pytest]\n[dependency-groups]\ntest = ["httpx", {include-group = "base"}]\n'
            'base = ["pytest>=8", {include-group = "test"}]'
        },
        {"suites": ("pytest",), "test_requirements": ("httpx", "pytest>=8")},
    ),
    "unittest": (
        {"tests/test_a.py": "import unittest\nclass A(unittest.TestCase): pass", "setup.py": ""},
        {"requirements": (".",), "suites": ("unittest",)},
    ),
    "unittest files without an underscore": (
        {"test/tests.py": "from unittest import TestCase"},
        {"suites": ("unittest",)},
    ),
    "unittest files that a Makefile has run by pytest": (
        {"tests/test_a.py": "import unittest", "Makefile": "test:\n\tpython -m pytest"},
        {"suites": ("pytest",), "test_requirements": ("pytest",)},
    ),
    "unittest files that GitHub has run by pytest": (
        {"tests/test_a.py": "import unittest", ".github/workflows/ci.yml": "run: pytest"},
        {"suites": ("pytest",), "test_requirements": ("pytest",)},
    ),
    "unittest files that a Makefile has run by unittest": (
        {"tests/test_a.py": "import unittest", "Makefile": "test:\n\tpython -m unittest"},
        {"suites": ("unittest",)},
    ),
    "a habit tells of no server": (
        {"shop/wsgi.py": "application = get_wsgi_application()", "Makefile": "gunicorn"},
        {},
    ),
    "unittest files beside a conftest": (
        {"tests/test_a.py": "import unittest", "tests/conftest.py": ""},
        {"suites": ("pytest",), "test_requirements": ("pytest",)},
    ),
    "unittest files and pytest's own": (
        {"tests/test_a.py": "import unittest", "tests/test_b.py": "def test_b(): pass"},
        {"suites": ("pytest",), "test_requirements": ("pytest",)},
    ),
    "unittest files that are run by pytest": (
        {"tests/test_a.py": "import unittest", "requirements-dev.txt": "pytest"},
        {"suites": ("pytest",), "test_requirements": ("requirements-dev.txt",)},
    ),
    "maven": ({"pom.xml": ""}, {"suites": ("maven",)}),
    "gradle": ({"build.gradle.kts": ""}, {"suites": ("gradle",)}),
    "maven and gradle": ({"pom.xml": "", "build.gradle": ""}, {"suites": ("maven",)}),
    "maven and gradle's wrapper": ({"pom.xml": "", "build.gradle": "", "gradlew": ""}, {"suites": ("gradle",)}),
    "vitest": ({"package.json": '{"devDependencies": {"vitest": "3"}}'}, {"suites": ("vitest",)}),
    "jest": ({"package.json": '{"dependencies": {"jest": "30"}}'}, {"suites": ("jest",)}),
    "node": ({"package.json": '{"scripts": {"test": "node --test src"}}'}, {"suites": ("node",)}),
    "go": ({"go.mod": "module x", "x_test.go": ""}, {"suites": ("go",)}),
    "go without tests": ({"go.mod": "module x"}, {}),
    "cargo": ({"Cargo.toml": ""}, {"suites": ("cargo",)}),
    "two frameworks": (
        {"pytest.ini": "", "Cargo.toml": ""},
        {"suites": ("pytest", "cargo"), "test_requirements": ("pytest",)},
    ),
    "a Dockerfile": ({"Dockerfile": "FROM x"}, {"dockerfile": True}),
    "a Procfile": (
        {"Procfile": "worker: x\nweb: gunicorn app:app --bind 0.0.0.0:$PORT"},
        {"command": ("gunicorn", "app:app", "--bind", "0.0.0.0:${PORT}")},
    ),
    "a Procfile for a shell": ({"Procfile": "web: a && b"}, {}),
    "a Procfile with another variable": ({"Procfile": "web: serve $HOST"}, {}),
    "a Procfile that is cut off": ({"Procfile": "web: serve 'x"}, {}),
    "flask": ({"app.py": "app = Flask(__name__)"}, {"command": ("flask", "--app", "app:app", "run", *UVICORN)}),
    "flask and gunicorn": (
        {"app.py": "app = flask.Flask(__name__)", "requirements.txt": "Flask\ngunicorn"},
        {"requirements": ("requirements.txt",), "command": ("gunicorn", "app:app", "--bind", "127.0.0.1:${PORT}")},
    ),
    "a factory": (
        {"shop/__init__.py": "def create_app():\n    app = Flask(__name__)\n", "requirements.txt": "waitress"},
        {
            "requirements": ("requirements.txt",),
            "command": ("waitress-serve", "--listen=127.0.0.1:${PORT}", "--call", "shop:create_app"),
        },
    ),
    "fastapi": (
        {"src/shop/main.py": "app: FastAPI = FastAPI()", "pyproject.toml": '[project]\ndependencies = ["uvicorn"]'},
        {"requirements": (".",), "command": ("uvicorn", "shop.main:app", *UVICORN)},
    ),
    "fastapi without a server": ({"main.py": "app = FastAPI()"}, {}),
    "django": (
        {"shop/wsgi.py": "application = get_wsgi_application()", "requirements.txt": "django\ngunicorn"},
        {
            "requirements": ("requirements.txt",),
            "command": ("gunicorn", "shop.wsgi:application", "--bind", "127.0.0.1:${PORT}"),
        },
    ),
    "an app that is no service": ({"app.py": "app = typer.Typer()"}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_files_tell(name: str) -> None:
    files, expected = CASES[name]
    found = detect("My Project", list(files), {path: text for path, text in files.items() if is_read(path)})
    assert {
        "name": found.name,
        "requirements": found.requirements,
        "test_requirements": found.test_requirements,
        "suites": tuple(suite.framework for suite in found.suites) if found.suites else None,
        "command": found.command,
        "dockerfile": found.dockerfile,
    } == {
        "name": "my-project",
        "requirements": None,
        "test_requirements": (),
        "suites": None,
        "command": None,
        "dockerfile": False,
        **expected,
    }
    # Nothing is detected without its reason, and no reason is given for nothing.
    keys = {
        "name": "name",
        "requirements": "build.requirements",
        "suites": "tests.suites",
        "command": "release.command",
    }
    keys |= {"test_requirements": "tests.requirements", "dockerfile": "build.dockerfile"}
    assert set(found.why) == {key for field, key in keys.items() if getattr(found, field)}


@given(
    st.text(max_size=20),
    st.dictionaries(
        st.sampled_from(["pyproject.toml", "package.json", "Procfile", "app.py", "setup.cfg"]), st.text(max_size=80)
    ),
)
def test_no_file_can_break_it_and_what_it_says_is_usable(folder: str, files: dict[str, str]) -> None:
    complete(Spec(), detect(folder, list(files), files)).model_dump_json()
    Spec.model_validate({"name": detect(folder, list(files), files).name})


def test_what_is_said_is_never_changed() -> None:
    files = {"pyproject.toml": '[project]\nname = "x"', "tests/test_a.py": "", "app.py": "app = Flask()"}
    found = detect("p", list(files), files)
    said = Spec(
        name="mine",
        build=Build(requirements=("a",)),
        tests=Tests(requirements=(), suites=()),
        release=ReleaseSpec(command=("run",)),
    )
    assert complete(said, found) == said
    assert found.sentences(said) == ()
    assert len(found.sentences(Spec())) == 5


def test_a_command_fills_in_a_release_that_has_none() -> None:
    found = detect("p", ["app.py"], {"app.py": "app = Flask()"})
    release = complete(Spec(release=ReleaseSpec(replicas=3)), found).release
    assert release is not None and release.replicas == 3 and release.command is not None


def test_what_cannot_be_run_is_told_and_never_silently_untested() -> None:
    files = {"pytest.ini": "", "Cargo.toml": ""}
    both = detect("p", list(files), files).runnable(["pytest"])
    assert both.suites == (Suite(name="pytest", framework="pytest"),)
    assert "no runner here runs cargo: not tested" in both.why["tests.suites"]
    alone = detect("p", ["Cargo.toml"], {"Cargo.toml": ""}).runnable(["pytest"])
    assert alone.suites == (Suite(name="tests", framework="cargo"),)


def test_other_peoples_folders_are_not_looked_into() -> None:
    assert all(map(is_skipped, ("node_modules", ".venv", ".git", "venv", "x.egg-info")))
    assert not any(map(is_skipped, ("src", "tests", "shop")))


@pytest.mark.parametrize(
    "files, args, told",
    [
        ({"tests/test_a.py": "import unittest"}, (), "pytest: the interpreter has pytest, which runs the cases of"),
        ({"test/tests.py": "import unittest"}, ("-o", "python_files=test*.py"), "the cases of unittest, too"),
        ({"test_a.py": "import unittest\ndef load_tests(a, b, c): ..."}, (), "not what load_tests of test_a.py adds"),
        ({"test_a.py": "import unittest", "Cargo.toml": ""}, (), "too; cargo: there is a Cargo.toml"),
    ],
)
def test_a_suite_of_unittest_is_told_as_pytest_runs_it(files: dict[str, str], args: tuple[str, ...], told: str) -> None:
    instead = detect("x", list(files), files).by_pytest
    assert instead is not None
    assert (instead[0].framework, instead[0].args) == ("pytest", args) and told in instead[1]


@pytest.mark.parametrize("text", ["def test_a(): ...", "import pytest"])
def test_only_a_suite_of_unittest_has_an_instead(text: str) -> None:
    assert detect("x", ["test_a.py"], {"test_a.py": text}).by_pytest is None
