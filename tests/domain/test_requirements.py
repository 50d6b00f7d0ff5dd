"""Requirement files in pip's format become one list that does not depend on where they lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from domain.errors import SpecError
from domain.requirements import Wanted, detect, gather, of_metadata


def reading(files: dict[str, str]):  # type: ignore[no-untyped-def]
    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return read


# entries, files → lines, constraints, project, extras
TABLE: dict[str, tuple[tuple[str, ...], dict[str, str], Wanted]] = {
    "a requirement": (("flask>=3",), {}, Wanted(lines=("flask>=3",))),
    "the project": ((".",), {}, Wanted(project=True)),
    "the project with extras": ((".[b, a]",), {}, Wanted(project=True, extras=("a", "b"))),
    "editable is the project too": (("r.txt",), {"r.txt": "-e .[a]\n"}, Wanted(project=True, extras=("a",))),
    "comments and blank lines": (
        ("r.txt",),
        {"r.txt": "# all\n\nsix # why\n  a==1\nb @ https://x/y#egg=b\n"},
        Wanted(lines=("six", "a==1", "b @ https://x/y#egg=b")),
    ),
    "a byte order mark and Windows ends": (("r.txt",), {"r.txt": "\ufeffsix\r\na\r\n"}, Wanted(lines=("six", "a"))),
    "continued lines and hashes": (
        ("r.txt",),
        {"r.txt": "six==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"},
        Wanted(lines=("six==1      --hash=sha256:aa      --hash=sha256:bb",)),
    ),
    "nested files relative to their own": (
        ("req/all.txt",),
        {"req/all.txt": "-r base.txt\n--requirement=../top.txt\n", "req/base.txt": "a", "top.txt": "b"},
        Wanted(lines=("a", "b")),
    ),
    "constraints": (
        ("-r r.txt",),
        {"r.txt": "-c c.txt\na", "c.txt": "a<2\n"},
        Wanted(lines=("a",), constraints=("a<2",)),
    ),
    "options are pip's": (("r.txt",), {"r.txt": "--pre\n-f wheels\na"}, Wanted(lines=("--pre", "-f wheels", "a"))),
    "a folder": (("./libs/a",), {}, Wanted(lines=("./libs/a",))),
    "a repository": (("git+https://x/y@main",), {}, Wanted(lines=("git+https://x/y@main",))),
    "markers": (('a; python_version < "3.12"',), {}, Wanted(lines=('a; python_version < "3.12"',))),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_form(name: str) -> None:
    entries, files, wanted = TABLE[name]
    assert gather(entries, reading(files)) == wanted


@pytest.mark.parametrize(
    ("entries", "files", "told"),
    [
        (("r.txt",), {}, "there is no file r.txt"),
        (("r.txt",), {"r.txt": "-r r.txt"}, "includes itself"),
        (("../r.txt",), {}, "outside of the project"),
        (("r.txt",), {"r.txt": "-r /etc/passwd"}, "outside of the project"),
        (("not a requirement",), {}, "tests.requirements: 'not a requirement'"),
        (("r.txt",), {"r.txt": "flask=3"}, "r.txt: 'flask=3' is no requirement"),
        (("",), {}, "is no requirement"),
    ],
)
def test_what_cannot_be_read_names_the_place(entries: tuple[str, ...], files: dict[str, str], told: str) -> None:
    with pytest.raises(SpecError) as error:
        gather(entries, reading(files), key="tests.requirements")
    assert told in error.value.message and error.value.fix


def test_hashes_can_be_left_to_the_constraints() -> None:
    wanted = Wanted(lines=("--require-hashes", "a==1   --hash=sha256:aa --hash=md5:bb", "c"))
    assert wanted.hashed
    assert wanted.without_hashes().lines == ("a==1", "c")


@pytest.mark.parametrize(
    ("line", "local"),
    [("./a", True), ("../a", True), ("/a", True), ("-e ./a", True), ("a", False), ("a @ file:///x", False)],
)
def test_what_lies_in_the_source_is_known(line: str, local: bool) -> None:
    assert Wanted(lines=(line,)).local is local


def test_an_extra_is_switched_on_and_other_markers_stay() -> None:
    required = ('a; extra == "Fast_IO"', "b; python_version < '3' and extra == 'slow'", "c>1")
    chosen = of_metadata(required, ("fast-io",), "shop")
    assert chosen == ('a; python_version >= "0"', "b; python_version < '3' and python_version < \"0\"", "c>1")
    judged = [Requirement(line).marker for line in chosen]
    assert [marker is None or marker.evaluate() for marker in judged] == [True, False, True]


def test_an_extra_made_of_others_is_taken_apart() -> None:
    required = ("a", 'My_Shop[y]; extra == "all"', 'my-shop[z]; extra == "y"', 'b; extra == "z"', 'c; extra == "w"')
    on = [Requirement(line) for line in of_metadata(required, ("all",), "my_shop")]
    assert [r.name for r in on if r.marker is None or r.marker.evaluate()] == ["a", "b"]
    off = [Requirement(line) for line in of_metadata(required, (), "my_shop")]
    assert [r.name for r in off if r.marker is None or r.marker.evaluate()] == ["a"]


BUILT = {"build-system": {"requires": []}, "project": {"name": "a", "dependencies": ["flask"]}}


@pytest.mark.parametrize(
    ("files", "pyproject", "found"),
    [
        (set(), {}, ()),
        ({"requirements.txt"}, {}, ("requirements.txt",)),
        ({"setup.py"}, {}, (".",)),
        ({"requirements.txt", "setup.py"}, {}, ("requirements.txt", ".")),
        (set(), BUILT, (".",)),
        ({"requirements.txt"}, BUILT, ("requirements.txt", ".")),
        (set(), {"tool": {"black": {}}}, ()),
        (set(), {"build-system": {}, "tool": {"poetry": {}}}, (".",)),
        ({"setup.cfg"}, {"build-system": {}}, (".",)),
        (set(), {"project": {"dependencies": ["flask"]}}, ("flask",)),
        ({"requirements.txt"}, {"project": {"dependencies": ["flask"]}}, ("requirements.txt",)),
    ],
)
def test_what_is_detected(files: set[str], pyproject: dict[str, object], found: tuple[str, ...]) -> None:
    assert detect(files.__contains__, pyproject) == found


@given(st.lists(st.sampled_from(["a", "b==1", "-r x.txt", ".", ".[t]", "# no", "-c c.txt"]), max_size=8))
def test_one_file_is_the_same_as_its_lines(lines: list[str]) -> None:
    files = {"x.txt": "x\n", "c.txt": "c==1\n", "all.txt": "\n".join(lines)}
    entries = [line for line in lines if not line.startswith("#")]
    assert gather(["all.txt"], reading(files)) == gather(entries, reading(files))
