"""Lines and branches that workers execute are all there when their files are put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, write

coverage = pytest.importorskip("coverage")
CODE = """
def sign(n):
    if n > 0:
        return 1
    if n < 0:
        return -1
    return 0

def unused():
    return 1
"""


@pytest.mark.parametrize("options", [(), ("--start", "process"), ("--collect", "once")], ids=" ".join)
def test_the_lines_of_all_workers(project: Path, options: tuple[str, ...]) -> None:
    test = "import time\nfrom pkg.code import sign\ndef test_it():\n    time.sleep(0.1)\n    sign({})\n"
    tests = {f"test_{n}.py": test.format(n) for n in (-1, 0, 1)}
    write(project, {"pkg/__init__.py": "", "pkg/code.py": CODE, **tests})
    settings = project.parent / "coverage.ini"
    settings.write_text("[run]\nbranch = true\nsource = pkg\nparallel = true\n")
    run = engine(project, "--coverage", str(settings), *options)
    assert run.code == 0 and run.problems == []
    assert not list(project.glob(".coverage*")), "nothing of it in the project"
    whole = coverage.Coverage(data_file=str(run.out / ".coverage"), config_file=False)
    whole.combine([str(run.out / "coverage")])
    whole.save()
    _, lines, _, missing, _ = whole.analysis2(str(project / "pkg" / "code.py"))
    assert missing == [10] and 2 in lines
