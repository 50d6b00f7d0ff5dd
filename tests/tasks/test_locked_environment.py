"""The locked environment: what was asked for, with hashes, made once, by one builder, and whole or not there."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domain.errors import SpecError, TesError, ToolError
from domain.spec import Build
from tasks import locked_environment as module
from tasks.execute import execute
from tasks.locked_environment import locked_environment
from tasks.snapshot import entries, take
from tasks.virtual_environment import Locked
from tests.tasks.supply import lay, source_of
from tests.tasks.wheelhouse import project, wheel
from toolchain.command import Command, Ran


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only index there is."""
    folder = tmp_path / "wheels"
    for version in ("1.0", "2.0"):
        wheel(folder, "alpha", version, script="alpha")
    wheel(folder, "beta", "1.0", ["alpha<2"])
    wheel(folder, "gamma", "1.0", ["alpha"])
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def says(locked: Locked, code: str) -> str:
    done = subprocess.run([str(locked.python), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def count_processes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    started: list[str] = []

    async def counted(command: Command, out: Path) -> Ran:
        started.append(" ".join(command.argv))
        return await execute(command, out)

    monkeypatch.setattr(module, "execute", counted)
    return started


async def test_the_lock_pins_all_that_was_installed_with_hashes_and_no_address(tmp_path: Path) -> None:
    source = await source_of({"requirements.txt": "beta\n"}, tmp_path)
    locked = await locked_environment(source, Build(), tmp_path / "store")
    text = locked.lock_file.read_text()
    assert text.splitlines()[::2] == ["alpha==1.0 \\", "beta==1.0 \\"]
    assert text.count("--hash=sha256:") == 2 and "://" not in text and str(tmp_path) not in text
    assert locked.lock_digest.startswith("sha256:") and len(locked.lock_digest) == 71
    assert says(locked, "import alpha; print(alpha.VERSION)") == "1.0"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--require-hashes", "-r"]
    subprocess.run([*install, str(locked.lock_file)], check=True, capture_output=True)


async def test_an_unchanged_project_uses_it_again_without_starting_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheels: Path
) -> None:
    source = await source_of({"requirements.txt": "alpha\n"}, tmp_path)
    first = await locked_environment(source, Build(), tmp_path / "store")
    shutil.rmtree(wheels)
    started = count_processes(monkeypatch)
    lay(tmp_path / "project", {"app.py": "another source, the same requirements"})
    other = await take(tmp_path / "project", tmp_path / "store", name="demo")
    assert await locked_environment(other, Build(), tmp_path / "store") == first
    assert started == []


async def test_other_requirements_are_another_environment(tmp_path: Path) -> None:
    one = await locked_environment(await source_of({"requirements.txt": "alpha<2"}, tmp_path), Build(), tmp_path / "s")
    two = await locked_environment(await source_of({"requirements.txt": "alpha"}, tmp_path), Build(), tmp_path / "s")
    assert (says(one, "import alpha; print(alpha.VERSION)"), says(two, "import alpha; print(alpha.VERSION)")) == (
        "1.0",
        "2.0",
    )
    assert one.lock_digest != two.lock_digest


async def test_the_tests_environment_agrees_with_the_services_lock(tmp_path: Path) -> None:
    source = await source_of({"requirements.txt": "alpha<2"}, tmp_path)
    runtime = await locked_environment(source, Build(), tmp_path / "store")
    tests = await locked_environment(source, Build(), tmp_path / "store", extra=("gamma",))
    assert tests.folder != runtime.folder
    assert says(tests, "import alpha, gamma; print(alpha.VERSION)") == "1.0", "gamma alone would take alpha 2.0"
    assert "gamma" not in runtime.lock_file.read_text()
    with pytest.raises(ToolError, match="alpha"):
        await locked_environment(source, Build(), tmp_path / "store", extra=("alpha>=2",))


async def test_hashes_of_the_project_are_kept_and_tests_may_have_none(tmp_path: Path, wheels: Path) -> None:
    first = await locked_environment(await source_of({"requirements.txt": "beta"}, tmp_path), Build(), tmp_path / "a")
    hashed = await source_of({"requirements.txt": first.lock_file.read_text()}, tmp_path)
    again = await locked_environment(hashed, Build(), tmp_path / "b")
    assert again.lock_digest == first.lock_digest
    await locked_environment(hashed, Build(), tmp_path / "b", extra=("gamma",))
    wheel(wheels, "beta", "1.0", ["alpha<2"], script="changed")
    with pytest.raises(ToolError, match="(?i)hash"):
        await locked_environment(hashed, Build(), tmp_path / "c")


async def test_the_project_itself_is_installed_and_its_code_does_not_reinstall_dependencies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = project(dependencies='["beta"]', scripts='\n[project.scripts]\nshop = "shop:main"')
    files["pyproject.toml"] = files["pyproject.toml"].replace("scripts = ", "")
    code = "import alpha\ndef main(): print('{}', alpha.VERSION)\n"
    store = tmp_path / "store"
    source = await source_of(files | {"shop/__init__.py": code.format("one")}, tmp_path)
    one = await locked_environment(source, Build(), store)
    started = count_processes(monkeypatch)
    changed = await source_of({"shop/__init__.py": code.format("two")}, tmp_path)
    two = await locked_environment(changed, Build(), store)
    assert not any(" -r " in command for command in started), "dependencies were installed again"
    for locked, word in ((one, "one"), (two, "two")):
        script = subprocess.run([str(locked.folder / "bin" / "shop")], capture_output=True, text=True, check=True)
        assert script.stdout.strip() == f"{word} 1.0", "an older release keeps its own code"
        assert says(locked, "import importlib.metadata as m; print(m.version('shop'), m.version('beta'))") == "1.0 1.0"
    below = subprocess.run([str(two.folder / "bin" / "alpha")], capture_output=True, text=True, check=True)
    assert below.stdout.strip() == "alpha 1.0"
    script_text = (two.folder / "bin" / "alpha").read_text()
    assert f"{two.folder}/bin/python" in script_text and one.folder.name not in script_text
    assert one.lock_digest == two.lock_digest and "shop" not in one.lock_file.read_text()
    assert len(entries(source)) == 3, "building did not write into the snapshot"


async def test_what_builds_the_project_is_installed_once_and_a_backend_that_asks_for_more_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = project(code="X = 1")
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["alpha==1.0"]', 1)
    files["backend.py"] = "import alpha\nassert alpha.VERSION == '1.0'\n" + files["backend.py"]
    store = tmp_path / "store"
    await locked_environment(await source_of(files, tmp_path), Build(), store)
    started = count_processes(monkeypatch)
    await locked_environment(await source_of({"shop/__init__.py": "X = 2"}, tmp_path), Build(), store)
    assert len([command for command in started if " wheel " in command]) == 1
    assert not any("-r " in command for command in started), "the build's tools were installed again"
    more = "def get_requires_for_build_wheel(config_settings=None): return ['gamma']\nimport sys\n"
    lazy = files["backend.py"].replace("    name, version =", "    import gamma\n    name, version =")
    locked = await locked_environment(await source_of({"backend.py": more + lazy}, tmp_path), Build(), store)
    assert says(locked, "import shop; print(shop.X)") == "2"


async def test_an_extra_of_the_project_is_for_the_tests_alone(tmp_path: Path) -> None:
    files = project(dependencies='["alpha"]', **{"optional-dependencies": '{test = ["gamma"]}'})
    source = await source_of(files, tmp_path)
    runtime = await locked_environment(source, Build(), tmp_path / "store")
    tests = await locked_environment(source, Build(), tmp_path / "store", extra=(".[test]",))
    assert "gamma" not in runtime.lock_file.read_text()
    assert says(tests, "import gamma, shop; print('both')") == "both"


async def test_a_folder_of_the_source_can_be_required(tmp_path: Path) -> None:
    library = {f"libs/tool/{name}": text for name, text in project("tool", "X = 1").items()}
    source = await source_of({"requirements.txt": "./libs/tool\nalpha==1.0\n"} | library, tmp_path)
    locked = await locked_environment(source, Build(), tmp_path / "store")
    assert says(locked, "import tool; print(tool.X)") == "1"
    assert "# tool==1.0 from the source" in locked.lock_file.read_text()
    assert len(entries(source)) == len(library) + 1


async def test_a_project_that_needs_nothing_has_an_empty_environment(tmp_path: Path) -> None:
    source = await source_of({"app.py": ""}, tmp_path)
    locked = await locked_environment(source, Build(), tmp_path / "store")
    assert locked.lock_file.read_text() == "" and says(locked, "print(1)") == "1"


@pytest.mark.parametrize(
    ("files", "requirements", "told"),
    [
        ({"requirements.txt": "not-there-at-all"}, None, "not-there-at-all"),
        ({"requirements.txt": "alpha==9"}, None, "alpha==9"),
        ({"requirements.txt": "beta\nalpha>=2"}, None, "beta"),
        (project() | {"backend.py": "raise RuntimeError('no backend today')"}, None, "build the project"),
    ],
)
async def test_pip_s_failure_is_told_in_its_own_words(
    tmp_path: Path, files: dict[str, str], requirements: tuple[str, ...] | None, told: str
) -> None:
    source = await source_of(files, tmp_path)
    with pytest.raises(ToolError) as error:
        await locked_environment(source, Build(requirements=requirements), tmp_path / "store")
    assert told in error.value.message and "Traceback" not in error.value.message and error.value.fix
    left = [path for path in (tmp_path / "store" / "environments").iterdir() if path.is_dir()]
    assert all((path / "complete.json").exists() for path in left), left


@pytest.mark.parametrize(
    ("requirements", "told"),
    [
        (("none.txt",), "there is no file none.txt"),
        (("../up.txt",), "outside of the project"),
        (("what is this?",), "no requirement"),
        (("loop.txt",), "includes itself"),
    ],
)
async def test_requirements_that_cannot_be_read_are_refused_before_anything_starts(
    tmp_path: Path, requirements: tuple[str, ...], told: str
) -> None:
    source = await source_of({"loop.txt": "-r loop.txt"}, tmp_path)
    with pytest.raises(SpecError, match=told):
        await locked_environment(source, Build(requirements=requirements), tmp_path / "store")
    source = await source_of({"pyproject.toml": "[project"}, tmp_path)
    with pytest.raises(SpecError, match="is not TOML"):
        await locked_environment(source, Build(), tmp_path / "store")


async def test_credentials_of_an_index_are_never_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    source = await source_of({"requirements.txt": "not-there"}, tmp_path)
    with pytest.raises(ToolError) as error:
        await locked_environment(source, Build(), tmp_path / "store")
    assert "hunter2" not in str(error.value) and "not-there" in str(error.value)


async def test_a_time_out_is_told_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = project() | {"backend.py": "import time\ntime.sleep(60)"}
    source = await source_of(slow, tmp_path)
    with pytest.raises(ToolError, match=r"within 2 s \(build\.timeout\)"):
        await locked_environment(source, Build(timeout=2.0), tmp_path / "store")


async def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = await source_of({"requirements.txt": "alpha"}, tmp_path)
    monkeypatch.setattr(module, "finish", full)
    with pytest.raises(TesError, match="no space left"):
        await locked_environment(source, Build(), tmp_path / "store")
    assert not [path for path in (tmp_path / "store" / "environments").iterdir() if path.is_dir()]


async def test_two_builders_at_once_make_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await source_of({"requirements.txt": "alpha"}, tmp_path)
    started = count_processes(monkeypatch)
    made = await asyncio.gather(*(locked_environment(source, Build(), tmp_path / "store") for _ in range(4)))
    assert len(set(made)) == 1
    assert len([command for command in started if " install " in command]) == 1


@pytest.mark.parametrize("harm", ["no marker", "changed lock", "no interpreter"])
async def test_a_half_or_broken_environment_is_made_again(tmp_path: Path, harm: str) -> None:
    source = await source_of({"requirements.txt": "alpha"}, tmp_path)
    locked = await locked_environment(source, Build(), tmp_path / "store")
    if harm == "no marker":
        (locked.folder / "complete.json").unlink()
        (locked.folder / "bin" / "alpha").unlink()
    elif harm == "changed lock":
        locked.lock_file.write_text("alpha==9.9")
    else:
        locked.python.unlink()
    assert await locked_environment(source, Build(), tmp_path / "store") == locked
    assert says(locked, "import alpha; print(alpha.VERSION)") == "2.0"
    assert (locked.folder / "bin" / "alpha").exists()


async def test_a_store_that_was_moved_is_noticed(tmp_path: Path) -> None:
    source = await source_of({"requirements.txt": "alpha"}, tmp_path)
    locked = await locked_environment(source, Build(), tmp_path / "store")
    shutil.copytree(tmp_path / "store", tmp_path / "moved", symlinks=True)
    moved = await locked_environment(source, Build(), tmp_path / "moved")
    assert moved.folder == tmp_path / "moved" / "environments" / locked.folder.name
    assert str(moved.folder) in (moved.folder / "bin" / "alpha").read_text()


KILLED = """
import asyncio, json, sys
from pathlib import Path
from domain.spec import Build
from domain.supply import Source
from tasks.locked_environment import locked_environment
asyncio.run(locked_environment(Source.model_validate_json(sys.argv[1]), Build(), Path(sys.argv[2])))
"""


async def test_a_builder_killed_in_the_middle_leaves_nothing_that_counts(tmp_path: Path, root: Path) -> None:
    slow = project() | {"backend.py": "import pathlib, time\npathlib.Path('STARTED').touch()\ntime.sleep(60)"}
    source = await source_of(slow, tmp_path)
    store = tmp_path / "store"
    argv = [sys.executable, "-c", KILLED, source.model_dump_json(), str(store)]
    builder = subprocess.Popen(argv, cwd=root)
    try:
        deadline = time.monotonic() + 60
        while not list(store.glob("environments/**/STARTED")):
            assert time.monotonic() < deadline and builder.poll() is None
            await asyncio.sleep(0.05)
    finally:
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    half = next(store.glob("environments/**/STARTED")).relative_to(store).parts[1]
    assert not (store / "environments" / half / "complete.json").exists()
    repaired = await source_of(project(), tmp_path)
    locked = await asyncio.wait_for(locked_environment(repaired, Build(), store), 60)
    assert says(locked, "import shop; print('here')") == "here"


async def test_another_interpreter_is_another_environment(tmp_path: Path) -> None:
    link = tmp_path / "bin" / "my-python"
    link.parent.mkdir()
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    link.chmod(0o755)
    source = await source_of({"app.py": ""}, tmp_path)
    locked = await locked_environment(source, Build(python=str(link)), tmp_path / "store")
    facts = json.loads(says(locked, "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix]))"))
    assert facts == [str(locked.folder), sys.base_prefix]
    broken = tmp_path / "bin" / "broken"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(SpecError, match="does not run"):
        await locked_environment(source, Build(python=str(broken)), tmp_path / "store")
