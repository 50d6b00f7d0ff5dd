"""When the recorder begins to look at functions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tasks.impact_project import Project
from toolchain.engine_argv import BOOT

LOOKS = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("boot", {BOOT!r})
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
recorder = boot.load("impact").Recorder({{out!r}}, {{root!r}})
recorder.start()
told = [recorder.tracking]
exec(compile("x = 1", "/elsewhere/library.py", "exec"))
exec("y = 2")
told.append(recorder.tracking)
exec(compile("def price(): pass", {{root!r}} + "/shop.py", "exec"))
price()
recorder.collect()
told += [recorder.tracking, recorder.codes.number(price.__code__) in recorder.session.codes]
print(told)
"""


def test_functions_are_looked_at_from_the_first_module_of_the_project_on(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    text = LOOKS.format(out=str(tmp_path / "out"), root=str(tmp_path / "project"))
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd="/")
    assert ran.stdout.strip() == "[False, False, True, True]", ran.stderr


def test_a_project_that_a_thread_imports_first_is_not_judged(tmp_path: Path) -> None:
    """The thread that runs the cases was not looked at, and may have what the other one imported."""
    text = """
        import threading
        def pytest_configure():
            def late():
                import shop
            thread = threading.Thread(target=late)
            thread.start()
            thread.join()
        """
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/early_bird.py").write_text("\n".join(line[8:] for line in text.splitlines()))
    project = Project.made(
        tmp_path,
        {"shop.py": "def price(): return 1\n", "test_shop.py": "def test_a():\n    import shop\n    shop.price()\n"},
        words=("-p", "early_bird"),
        environment={"PYTHONPATH": str(tmp_path / "plugins")},
    )
    _, absorbed, outcomes = project.run()
    assert outcomes == {"test_shop.py::test_a": "passed"}
    assert (absorbed.recorded, absorbed.doubted) == (0, 1) or sys.version_info >= (3, 12)
    project.change("shop.py", "return 1", "return 2")
    assert project.plan().run != ()
