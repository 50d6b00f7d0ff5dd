"""Finding and reading a tes.yaml, whatever lies at its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.validate import report
from domain.errors import SpecError
from domain.spec import Spec
from domain.yaml_tree import MAX_BYTES
from tasks.spec_file import find, known_names, load_spec, look, read


def test_without_a_file_everything_is_detected_and_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n[tool.pytest.ini_options]\n')
    loaded = load_spec(tmp_path)
    assert loaded.path is None
    assert loaded.spec.name == "shop"
    assert loaded.spec.tests.suites is not None and loaded.spec.tests.suites[0].framework == "pytest"
    assert loaded.detected[0].startswith("there is no tes.yaml")
    assert "tests.suites: pytest: pyproject.toml has [tool.pytest.ini_options]" in loaded.detected


def test_an_empty_file_says_nothing_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "tes.yaml").write_text("# later\n")
    loaded = load_spec(tmp_path)
    assert loaded.detected[0] == "tes.yaml says nothing: everything is detected or a default"
    assert loaded.spec.environments == Spec().environments


@pytest.mark.parametrize("name", ["tes.yaml", "tes.yml"])
def test_what_the_file_says_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("name: mine\ntests: {suites: []}\n")
    (tmp_path / "pytest.ini").write_text("")
    loaded = load_spec(tmp_path)
    assert (loaded.path, loaded.spec.name, loaded.spec.tests.suites) == (tmp_path / name, "mine", ())
    assert not any(line.startswith(("name", "tests.suites")) for line in loaded.detected)


def test_another_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "tes.yaml").write_text("nonsense")
    other = tmp_path / "other.yaml"
    other.write_text("name: other")
    assert load_spec(tmp_path, file=other).spec.name == "other"


def test_two_files_are_one_too_many(tmp_path: Path) -> None:
    for name in ("tes.yaml", "tes.yml"):
        (tmp_path / name).write_text("")
    with pytest.raises(SpecError, match="both tes.yaml and tes.yml"):
        find(tmp_path)


def test_every_error_is_in_the_one_that_is_raised(tmp_path: Path) -> None:
    (tmp_path / "tes.yaml").write_text("buidl: {}\nscan: {scanners: [banditt]}\nname: 1\n")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path)
    assert [f"tes.yaml:{line}:" in caught.value.message for line in (1, 2, 3)] == [True] * 3
    assert "`bandit`" in caught.value.message and "3 errors" in caught.value.message


def test_files_that_are_named_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tes.yaml").write_text(
        "build:\n  requirements: [there.txt, 'flask>=3', gone.txt]\n"
        "tests:\n  suites:\n    - paths: [tests, 'tests::test_a', missing]\n"
        "load:\n  script: ../other.js\n"
    )
    code, text = report(tmp_path)
    for place in ("tes.yaml:2:41: build.requirements[2]", "tes.yaml:5:39: tests.suites[0].paths[2]", "tes.yaml:7:11"):
        assert place in text
    assert code == 3 and "3 errors" in text and "outside of the project" in text
    with pytest.raises(SpecError, match="3 errors"):
        load_spec(tmp_path)
    assert load_spec(tmp_path, files=False).spec.load is not None


def _folder(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _large(path: Path) -> None:
    path.write_bytes(b"#" * 50_000_000)


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(128, 256)))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_folder, "is a folder"),
        (_loop, "cannot be read"),
        (_dangling, "nowhere"),
        (_pipe, "is not a file"),
        (_large, f"at most {MAX_BYTES:,}"),
        (_binary, "not UTF-8"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_readable_file_is_one_clear_error(tmp_path: Path, make: object, said: str) -> None:
    make(tmp_path / "tes.yaml")  # type: ignore[operator]
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path)
    assert said in caught.value.message and "tes.yaml" in caught.value.message and caught.value.fix


def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tes.yaml"
    path.write_text("")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(SpecError, match="permission denied"):
        read(path)


@pytest.mark.parametrize(("make", "said"), [(None, "is not there"), ("file", "is not a folder")])
def test_a_project_that_is_no_folder_is_refused(tmp_path: Path, make: str | None, said: str) -> None:
    project = tmp_path / "project"
    if make:
        project.write_text("")
    with pytest.raises(SpecError, match=said):
        load_spec(project)


def test_an_expired_waiver_warns(tmp_path: Path) -> None:
    (tmp_path / "tes.yaml").write_text("scan: {waivers: [{rule: B1, owner: a, reason: b, expires: 2020-01-01}]}")
    (warning,) = load_spec(tmp_path).warnings
    assert "expired" in warning and "tes.yaml:1:" in warning


def test_other_peoples_folders_are_not_listed(tmp_path: Path) -> None:
    for name in ("node_modules/a/test_x.py", ".venv/test_x.py", "src/app.py", "a/b/c/d/deep.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert look(tmp_path)[1] == ["src/app.py"]


def test_known_names_are_the_modules() -> None:
    names = known_names()
    assert "bandit" in names["scanners"]
    assert not {"protocol", "local_agent"} & set(names["platforms"])
