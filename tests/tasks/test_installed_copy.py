"""A project that is built and installed for its tests: its installed files are its own, wherever they lie."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import impact
from tasks.installed_copy import Installed, installed
from tests.tasks.impact_project import Project, cases
from tests.tasks.supply import BARE

FILES = {
    "src/shop/__init__.py": "from shop.price import name as called\n",
    "src/shop/price.py": """
        from pathlib import Path
        def price(): return int(Path(__file__).with_name("price.txt").read_text())
        def name(): return "tea"
        """,
    "src/shop/price.txt": "3",
    "tests/test_shop.py": """
        import shop.price
        def test_price(): assert shop.price.price() > 0
        def test_name(): assert shop.price.name()
        def test_none(): pass
        """,
}


def install(project: Project, folder: Path, version: str = "1.0") -> Path:
    """What pip would make of the project's wheel in an environment of its own; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # pytest and what it needs are ours.
    (packages / "ours.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    about = packages / f"shop-{version}.dist-info"
    about.mkdir()
    rows = []
    for file in (project.root / "src").rglob("*.*"):
        if file.is_file() and file.suffix != ".pyc":
            name = file.relative_to(project.root / "src").as_posix()
            (packages / name).parent.mkdir(exist_ok=True)
            (packages / name).write_bytes(file.read_bytes())
            rows.append(f"{name},sha256=x,1")
    (about / "METADATA").write_text(f"Version: {version}\n")
    (folder / "bin/shop").write_text(f"#!{folder}/bin/python\n")
    (about / "direct_url.json").write_text(json.dumps({"url": f"file://{folder}/shop.whl"}))
    more = [f"{about.name}/METADATA,,", f"{about.name}/direct_url.json,,", "../../../bin/shop,,"]
    (about / "RECORD").write_text("\n".join([*rows, *more]))
    (folder / "lock.txt").write_text("pluggy==1.6.0\n")
    return folder / "bin/python"


def found(project: Project, python: Path) -> Installed:
    names = [path.relative_to(project.root).as_posix() for path in project.root.rglob("*.*") if path.is_file()]
    return installed(python, names, project.root)


def planned(project: Project, environment: Path, version: str = "1.0") -> impact.Selection:
    """As a flow does it: built and installed anew, elsewhere, then looked at."""
    python = install(project, environment, version)
    project.python = str(python)
    project.out.mkdir(exist_ok=True)
    (project.out.parent / "copies.json").write_text(json.dumps(found(project, python).copies))
    under = impact.conditions(python) | {"the installed packages": found(project, python).rest}
    return impact.plan(project.root, project.store, under)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.made(tmp_path, FILES, environment={**BARE, "PYTHONDONTWRITEBYTECODE": ""})
    made.words = ("--import-mode=importlib",)
    return made


def test_what_tests_execute_of_the_installed_copy_is_the_projects_own(project: Project, tmp_path: Path) -> None:
    first = planned(project, tmp_path / "one")
    assert set(project.go(first, copies=tmp_path / "copies.json").values()) == {"passed"}
    impact.absorb(project.out, first)
    assert planned(project, tmp_path / "two").run == ()
    project.change("src/shop/price.py", '"tea"', '"coffee"')
    then = planned(project, tmp_path / "three")
    assert cases(then) == {"test_name"}
    for _ in range(2):  # the second time from compiled files
        project.go(then, copies=tmp_path / "copies.json")
    impact.absorb(project.out, then)
    (project.root / "src/shop/price.txt").write_text("4")
    assert cases(planned(project, tmp_path / "four")) == {"test_price"}
    (project.root / "src/shop/__init__.py").write_text("from shop.price import name as known\n")
    assert cases(planned(project, tmp_path / "five")) == {"test_price", "test_name", "test_none"}


def test_what_a_build_made_besides_counts_for_all(project: Project, tmp_path: Path) -> None:
    first = planned(project, tmp_path / "one")
    project.go(first, copies=tmp_path / "copies.json")
    impact.absorb(project.out, first)
    assert planned(project, tmp_path / "other", version="2.0").everything == "the installed packages changed"


def test_the_lock_counts_and_where_the_environment_lies_does_not(project: Project, tmp_path: Path) -> None:
    one, two = (found(project, install(project, tmp_path / name)) for name in ("one", "two"))
    assert one.rest == two.rest
    assert set(one.copies.values()) == {"src/shop", *(name for name in FILES if name.startswith("src"))}
    (tmp_path / "two/lock.txt").write_text("pluggy==1.7.0\n")
    assert found(project, tmp_path / "two/bin/python").rest != one.rest
    assert installed(Path(sys.executable), [], project.root) == installed(None, [], project.root) == Installed({}, "")
