"""Which tests a project has, and what they need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from domain.spec import Suite

_PYTEST_FILE = re.compile(r"(.*/)?(test_[^/]*|[^/]*_test)\.py")
_UNITTEST_FILE = re.compile(r"(.*/)?test[^/]*\.py")
_USES_UNITTEST = re.compile(r"^\s*(import|from) unittest\b", re.MULTILINE)
_LOAD_TESTS = re.compile(r"^def load_tests\(", re.MULTILINE)
_TEST_FILES = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements-dev.txt",
    "test-requirements.txt",
    "dev-requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/dev.txt",
)
_GROUPS = ("test", "tests", "testing", "dev")


def test_suites(
    files: frozenset[str], texts: Mapping[str, str], pyproject: Mapping[str, Any], package: Mapping[str, Any]
) -> tuple[tuple[Suite, ...], str]:
    """The suites and, in one sentence, what tells of them; () and "" when nothing does."""
    python = _pytest(files, texts, pyproject)
    unittest = "" if python and not python.endswith(".py") else _unittest(files, texts, pyproject)
    found = [
        ("pytest", "" if unittest else python),
        ("unittest", unittest),
        _javascript(package),
        ("go", "there is a go.mod and a _test.go file" if _go(files) else ""),
        ("cargo", "there is a Cargo.toml" if "Cargo.toml" in files else ""),
        *_jvm(files),
    ]
    told = [(framework, why) for framework, why in found if why]
    names = ["tests"] if len(told) == 1 else [framework for framework, _ in told]
    suites = tuple(Suite(name=name, framework=framework) for name, (framework, _) in zip(names, told, strict=True))
    return suites, "; ".join(f"{framework}: {why}" for framework, why in told)


test_suites.__test__ = False  # type: ignore[attr-defined]


def by_pytest(suites: Sequence[Suite], texts: Mapping[str, str], why: str) -> tuple[Suite, str] | None:
    """For a suite of unittest's, the one that takes its place where the interpreter has pytest, which people expect to
    be used then; and what is told in the place of `why`. None when there is none.

    What only unittest would run is told, too.
    """
    suite = next((one for one in suites if one.framework == "unittest"), None)
    if suite is None:
        return None
    read = [name for name in sorted(texts) if is_test_file(name)]
    usual = any(_PYTEST_FILE.fullmatch(name) for name in read)
    args = () if usual else ("-o", "python_files=test*.py")
    adding = next((name for name in read if _LOAD_TESTS.search(texts[name])), None)
    left = f" (not what load_tests of {adding} adds: framework: unittest in tes.yaml does)" if adding else ""
    new = f"the interpreter has pytest, which runs the cases of unittest, too{left}"
    old = next(one for one in why.split("; ") if one.startswith("unittest: "))
    told = why.replace(old, f"pytest: {new}")
    return suite.model_copy(update={"framework": "pytest", "args": args}), told


def _pytest(files: frozenset[str], texts: Mapping[str, str], pyproject: Mapping[str, Any]) -> str:
    tool = pyproject.get("tool")
    settings = tool.get("pytest") if isinstance(tool, dict) else None
    if isinstance(settings, dict):
        return "pyproject.toml has [tool.pytest.ini_options]"
    for name in ("pytest.ini", ".pytest.ini"):
        if name in files:
            return f"there is a {name}"
    if "[pytest]" in texts.get("tox.ini", ""):
        return "tox.ini has [pytest]"
    if "[tool:pytest]" in texts.get("setup.cfg", ""):
        return "setup.cfg has [tool:pytest]"
    named = sorted(name for name in files if _PYTEST_FILE.fullmatch(name))
    return f"there is {named[0]}" if named else ""


def _unittest(files: frozenset[str], texts: Mapping[str, str], pyproject: Mapping[str, Any]) -> str:
    """Test files of unittest's style, when nothing in the project asks for pytest. Of the test files as many are looked
    at as were read."""
    said = [text for name, text in texts.items() if not is_test_file(name)]
    if "pytest" in str(pyproject) or any("pytest" in text for text in said):
        return ""
    if any(name.rpartition("/")[2] == "conftest.py" for name in files):
        return ""
    read = {name: texts[name] for name in sorted(texts) if is_test_file(name) and texts[name].strip()}
    for text in read.values():
        if re.search(r"^(async )?def test|^(import|from) pytest\b", text, re.MULTILINE):
            return ""
    using = [name for name, text in read.items() if _USES_UNITTEST.search(text)]
    return f"{using[0]} uses unittest, and nothing asks for pytest" if using else ""


def is_test_file(name: str) -> bool:
    """Whether a file is named as pytest and unittest name test files."""
    return _PYTEST_FILE.fullmatch(name) is not None or _UNITTEST_FILE.fullmatch(name) is not None


def _jvm(files: frozenset[str]) -> list[tuple[str, str]]:
    """Maven or Gradle; of both, Gradle only when the one wrapper that is here is its own."""
    gradle = next((name for name in ("build.gradle.kts", "build.gradle") if name in files), "")
    maven = "pom.xml" if "pom.xml" in files else ""
    if gradle and maven:
        gradle, maven = (gradle, "") if "gradlew" in files and "mvnw" not in files else ("", maven)
    return [("maven", f"there is a {maven}" if maven else ""), ("gradle", f"there is a {gradle}" if gradle else "")]


def _javascript(package: Mapping[str, Any]) -> tuple[str, str]:
    needs: dict[str, Any] = {}
    for section in ("dependencies", "devDependencies"):
        needs |= package[section] if isinstance(package.get(section), dict) else {}
    for framework in ("vitest", "jest", "mocha"):
        if framework in needs:
            return framework, f"package.json depends on {framework}"
    scripts = package.get("scripts")
    script = scripts.get("test") if isinstance(scripts, dict) else None
    if isinstance(script, str) and re.search(r"\bnode\b.*--test\b", script):
        return "node", "the test script of package.json runs node --test"
    return "node", ""


def _go(files: frozenset[str]) -> bool:
    return "go.mod" in files and any(name.endswith("_test.go") for name in files)


def test_requirements(
    files: frozenset[str], texts: Mapping[str, str], pyproject: Mapping[str, Any]
) -> tuple[tuple[str, ...], str]:
    """What pytest's suites need beyond the service's own environment, and what tells so."""
    for name in _TEST_FILES:
        if name in files:
            more = () if "pytest" in texts.get(name, "") else ("pytest",)
            return (name, *more), f"there is {name}"
    project = pyproject.get("project")
    extras = project.get("optional-dependencies") if isinstance(project, dict) else None
    for group in _GROUPS:
        if isinstance(extras, dict) and group in extras:
            more = () if "pytest" in str(extras[group]) else ("pytest",)
            return (f".[{group}]", *more), f"pyproject.toml has project.optional-dependencies.{group}"
    groups = pyproject.get("dependency-groups")
    for group in _GROUPS:
        if isinstance(groups, dict) and group in groups:
            wanted = tuple(dict.fromkeys(_group(groups, group, set())))
            more = () if any(item.startswith("pytest") for item in wanted) else ("pytest",)
            return (*wanted, *more), f"pyproject.toml has dependency-groups.{group}"
    return ("pytest",), "nothing names them, so pytest alone"


test_requirements.__test__ = False  # type: ignore[attr-defined]


def _group(groups: Mapping[str, Any], name: str, seen: set[str]) -> list[str]:
    """A dependency group with those it includes (PEP 735)."""
    if name in seen or not isinstance(groups.get(name), list):
        return []
    seen.add(name)
    wanted: list[str] = []
    for item in groups[name]:
        if isinstance(item, str):
            wanted.append(item)
        elif isinstance(item, dict):
            wanted += _group(groups, str(item.get("include-group")), seen)
    return wanted
