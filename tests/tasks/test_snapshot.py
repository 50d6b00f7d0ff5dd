"""A snapshot is a clean copy of the project's files at one moment, the same under the same digest, or an error."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import SpecError, TesError
from tasks import manifest
from tasks.snapshot import entries, take, work_copy
from tests.tasks.supply import commit, git, lay, paths, source_of

FILES = {"app.py": "print(1)\n", "pkg/__init__.py": "", "pkg/data/a b.txt": "x"}


def left_behind(store: Path) -> list[str]:
    """Everything in the store that is not a finished snapshot."""
    return [path.name for path in (store / "sources").iterdir() if path.name.startswith(".")]


async def test_the_same_files_are_one_snapshot_whatever_their_times_and_place(tmp_path: Path) -> None:
    first = await take(lay(tmp_path / "a", FILES), tmp_path / "store", name="demo")
    os.utime(tmp_path / "a" / "app.py", (1, 1))
    second = await take(lay(tmp_path / "b", FILES), tmp_path / "store", name="demo")
    assert first == second
    assert (paths(first), first.files, first.size) == (set(FILES), 3, 10)
    assert first.version == first.digest.removeprefix("sha256:")[:12]


@pytest.mark.parametrize("change", ["content", "name", "x-bit", "link"])
async def test_what_the_artifact_is_made_of_changes_the_digest(tmp_path: Path, change: str) -> None:
    before = await source_of(FILES, tmp_path)
    file = tmp_path / "project" / "app.py"
    if change == "content":
        file.write_text("print(2)\n")
    elif change == "name":
        file.rename(file.with_name("main.py"))
    elif change == "x-bit":
        file.chmod(0o755)
    else:
        file.unlink()
        file.symlink_to("pkg/__init__.py")
    after = await take(tmp_path / "project", tmp_path / "store", name="demo")
    assert after.digest != before.digest
    if change == "x-bit":
        assert os.access(Path(after.root) / "app.py", os.X_OK)


async def test_without_git_the_ignore_files_and_custom_are_honoured(tmp_path: Path) -> None:
    never = {".venv/x.py": "", "node_modules/x/i.js": "", "pkg/__pycache__/a.pyc": "", ".tes/run": "", ".git/x": ""}
    ignored = {"out.log": "", "pkg/secret.txt": "", "build/x": "", "docs/a.md": ""}
    rules = {".gitignore": "*.log\n/build/\n!keep.log\n", "pkg/.gitignore": "secret.txt\n", "keep.log": ""}
    lay(tmp_path / "p", FILES | never | ignored | rules)
    source = await take(tmp_path / "p", tmp_path / "store", name="demo", exclude=("docs/",))
    assert paths(source) == FILES.keys() | rules.keys()
    assert (source.revision, source.dirty) == (None, False)


async def test_in_git_the_work_tree_is_tracked_and_new_files_without_ignored_ones(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES | {".gitignore": "*.log\n", "gone.py": "", "kept.pyc": "tracked"})
    git(root.parent, "init", "--quiet", str(root))
    git(root, "add", "--force", "--all")
    head = commit(root)
    clean = await take(root, tmp_path / "store", name="demo")
    assert (clean.revision, clean.dirty, clean.version) == (head, False, head[:12])
    lay(root, {"new.py": "", "a.log": "", ".venv/x.py": "", "__pycache__/y.pyc": ""})
    (root / "gone.py").unlink()
    dirty = await take(root, tmp_path / "store", name="demo")
    assert (dirty.revision, dirty.dirty) == (head, True)
    assert paths(dirty) == FILES.keys() | {".gitignore", "kept.pyc", "new.py"}
    assert dirty.version == dirty.digest.removeprefix("sha256:")[:12]


async def test_a_folder_inside_a_repository_is_a_project_of_its_own(tmp_path: Path) -> None:
    repository = lay(
        tmp_path / "r", {"README": "top", **{f"examples/shop/{name}": text for name, text in FILES.items()}}
    )
    head = commit(repository)
    shop = repository / "examples" / "shop"
    source = await take(shop, tmp_path / "store", name="shop")
    assert (paths(source), source.revision, source.dirty) == (set(FILES), head, False)
    lay(repository, {"elsewhere.py": ""})
    assert not (await take(shop, tmp_path / "store", name="shop")).dirty
    assert (await take(shop, tmp_path / "store", name="shop", ref="main")).digest == source.digest


async def test_a_folder_that_its_repository_ignores_is_taken_as_it_is(tmp_path: Path) -> None:
    repository = lay(tmp_path / "r", {".gitignore": "work/\n", "a": ""})
    commit(repository)
    source = await take(lay(repository / "work" / "p", FILES), tmp_path / "store", name="p")
    assert (paths(source), source.revision) == (set(FILES), None)


async def test_a_clean_work_tree_and_its_revision_are_the_same_snapshot(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES | {"run.sh": "#!/bin/sh\n"})
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("pkg/data")
    head = commit(root, tag="v1.0.0")
    clean = await take(root, tmp_path / "store", name="demo")
    lay(root, {"app.py": "changed", "untracked": ""})
    tagged = await take(root, tmp_path / "store", name="demo", ref="v1.0.0")
    assert tagged == clean.model_copy(update={"ref": "v1.0.0"})
    assert (tagged.revision, tagged.dirty) == (head, False)
    again = await take(root, tmp_path / "store", name="demo", ref="v1.0.0")
    assert again == tagged
    assert (root / "app.py").read_text() == "changed" and git(root, "status", "--porcelain").count("\n") == 1


async def test_a_bare_repository_has_revisions_and_no_files_of_its_own(tmp_path: Path) -> None:
    commit(lay(tmp_path / "p", FILES), tag="v1")
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "p"), "bare.git")
    assert paths(await take(tmp_path / "bare.git", tmp_path / "store", name="demo", ref="v1")) == set(FILES)


async def test_an_unknown_ref_is_told_with_the_nearest(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES)
    commit(root, tag="v1.2.0")
    for ref in ("v1.2.1", "--all", "v1.2.0:app.py"):
        with pytest.raises(SpecError) as told:
            await take(root, tmp_path / "store", name="demo", ref=ref)
        assert repr(ref) in told.value.message
    with pytest.raises(SpecError, match=r"did you mean v1\.2\.0"):
        await take(root, tmp_path / "store", name="demo", ref="v1.2.1")
    with pytest.raises(SpecError, match="not in a git repository"):
        await take(lay(tmp_path / "q", FILES), tmp_path / "store", name="demo", ref="v1")


async def test_a_repository_without_a_commit_can_be_taken(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES)
    git(root, "init", "--quiet")
    source = await take(root, tmp_path / "store", name="demo")
    assert (paths(source), source.revision, source.dirty) == (set(FILES), None, True)


async def test_a_submodule_s_files_belong_to_the_project(tmp_path: Path) -> None:
    commit(lay(tmp_path / "library", {"lib.py": ""}))
    root = lay(tmp_path / "p", FILES)
    commit(root)
    git(
        root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "library"), "vendor/lib"
    )
    source = await take(root, tmp_path / "store", name="demo")
    assert paths(source) == FILES.keys() | {".gitmodules", "vendor/lib/lib.py"}


async def test_a_caller_inside_a_git_hook_does_not_lead_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = lay(tmp_path / "other", {"other.py": ""})
    commit(other)
    commit(lay(tmp_path / "p", FILES))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert paths(await take(tmp_path / "p", tmp_path / "store", name="demo")) == set(FILES)


async def test_a_project_that_is_not_there_or_has_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no archive")
    for name, told in {"none": "is not there", "empty": "no file to take", "text": "neither a folder nor"}.items():
        with pytest.raises(SpecError, match=told) as error:
            await take(tmp_path / name, tmp_path / "store", name="demo")
        assert error.value.fix and str(tmp_path / name) in str(error.value) or name == "empty"
    assert left_behind(tmp_path / "store") == []


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "pkg/../../outside", "deep/out/../outside"])
async def test_a_link_out_of_the_tree_is_refused_by_name(tmp_path: Path, target: str) -> None:
    root = lay(tmp_path / "p", FILES | {"deep/x": ""})
    (tmp_path / "outside").write_text("secret")
    (root / "deep" / "out").symlink_to("..")  # inside, but "deep/out/.." is not "deep"
    (root / "leak").symlink_to(target)
    with pytest.raises(SpecError, match=r"the symbolic link leak in .* points out of the tree"):
        await take(root, tmp_path / "store", name="demo")
    assert left_behind(tmp_path / "store") == []


async def test_links_inside_the_tree_are_kept_as_links(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES)
    (root / "current").symlink_to("pkg")
    (root / "pkg" / "up.py").symlink_to("../app.py")
    (root / "dangling").symlink_to("not-there")
    source = await take(root, tmp_path / "store", name="demo")
    kept = {name: os.readlink(Path(source.root) / name) for name in ("current", "pkg/up.py", "dangling")}
    assert kept == {"current": "pkg", "pkg/up.py": "../app.py", "dangling": "not-there"}


async def test_pipes_and_sockets_are_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = lay(tmp_path / "p", FILES)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))
        source = await take(root, tmp_path / "store", name="demo")
    assert paths(source) == set(FILES)
    assert {"pipe", "socket"} <= set(caplog.text.split())


async def test_a_tracked_file_that_became_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES)
    commit(root)
    (root / "app.py").unlink()
    os.mkfifo(root / "app.py")
    with pytest.raises(SpecError, match=r"app\.py is a pipe"):
        await take(root, tmp_path / "store", name="demo")


async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = lay(tmp_path / "p", FILES)

    def denied(path: Path, copy: Path | None = None) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(manifest, "_sha", denied)  # root may read everything
    with pytest.raises(SpecError, match=r"app\.py cannot be read: Permission denied"):
        await take(root, tmp_path / "store", name="demo")


async def test_a_file_that_changes_meanwhile_is_taken_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay(tmp_path / "p", FILES)
    hashed, writes = manifest._sha, 0

    def busy(path: Path, copy: Path | None = None) -> str:
        nonlocal writes
        sha = hashed(path, copy)
        if path.name == "app.py" and writes > 0:
            writes -= 1
            path.write_text(f"print({writes})\n" * 20)
        return sha

    monkeypatch.setattr(manifest, "_sha", busy)
    writes = 1
    source = await take(root, tmp_path / "store", name="demo")
    assert (Path(source.root) / "app.py").read_text() == "print(0)\n" * 20
    writes = 99
    (root / "app.py").write_text("new")
    with pytest.raises(SpecError, match=r"app\.py in .* keeps changing"):
        await take(root, tmp_path / "store", name="demo")
    assert left_behind(tmp_path / "store") == []


@pytest.mark.parametrize("step", ["files", "manifest"])
async def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    root = lay(tmp_path / "p", FILES)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(manifest, "_sha" if step == "files" else "save", full)
    with pytest.raises(TesError, match="no space left on the disk") as told:
        await take(root, tmp_path / "store", name="demo")
    assert "TES_HOME" in told.value.fix
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "store" / "sources").iterdir() if path.name != "memory"] == []
    assert paths(await take(root, tmp_path / "store", name="demo")) == set(FILES)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
async def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        root = lay(tmp_path / "p", {"big": "x" * 3_000_000})
        with pytest.raises(TesError, match="no space left"):
            await take(root, disk / "store", name="demo")
        with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as archive:
            archive.add(root, "p")
        with pytest.raises(TesError, match="no space left"):
            await take(tmp_path / "p.tar.gz", disk / "store", name="demo")
        assert list((disk / "store" / "sources").iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


async def test_a_copy_that_was_changed_is_noticed_and_renewed(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    (Path(source.root) / "app.py").write_text("someone was here")
    with pytest.raises(SpecError, match="was changed or removed"):
        entries(source)
    again = await take(tmp_path / "project", tmp_path / "store", name="demo")
    assert again == source
    assert (Path(again.root) / "app.py").read_text() == "print(1)\n"


async def test_a_half_made_snapshot_of_a_killed_process_is_not_used(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    (Path(source.root).parent / "manifest.json").unlink()
    old = tmp_path / "store" / "sources" / ".taking-killed"
    old.mkdir()
    os.utime(old, (1, 1))
    again = await take(tmp_path / "project", tmp_path / "store", name="demo")
    assert len(entries(again)) == 3 and not old.exists()


async def test_a_work_copy_is_free_to_be_changed(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    copy = await work_copy(source, tmp_path / "work")
    (copy / "app.py").write_text("mess")
    assert len(entries(source)) == 3


async def test_a_store_inside_the_project_does_not_swallow_itself(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES)
    first = await take(root, root / "state", name="demo")
    second = await take(root, root / "state", name="demo")
    assert first == second and paths(second) == set(FILES)


async def test_an_edit_within_one_clock_tick_is_seen(tmp_path: Path) -> None:
    root = lay(tmp_path / "p", FILES)
    seen = set()
    for number in range(20):
        (root / "app.py").write_text(f"{number:09}")
        seen.add((await take(root, tmp_path / "store", name="demo")).digest)
    assert len(seen) == 20


async def test_files_that_did_not_change_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand of them take 0.05 s."""
    root = lay(tmp_path / "p", {f"d{n}/f{n}.py": f"x = {n}\n" for n in range(20)})
    for path in root.rglob("*.py"):
        os.utime(path, (1, 1))
    time.sleep(1.1)  # files younger than a second are not remembered
    first = await take(root, tmp_path / "store", name="demo")
    read: list[Path] = []
    monkeypatch.setattr(manifest, "_sha", lambda path, *_: read.append(path))
    assert await take(root, tmp_path / "store", name="demo") == first
    assert read == []


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
async def test_a_source_distribution_is_a_project(tmp_path: Path, kind: str) -> None:
    root = lay(tmp_path / "demo-1.0", FILES | {"run.sh": "#!/bin/sh\n", ".gitignore": "app.py\n"})
    (root / "run.sh").chmod(0o755)
    file = tmp_path / f"demo-1.0.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for path in root.rglob("*"):
                archive.write(path, path.relative_to(tmp_path))
    else:
        with tarfile.open(file, "w:gz") as tar:
            tar.add(root, "demo-1.0")
    source = await take(file, tmp_path / "store", name="demo")
    assert paths(source) == FILES.keys() | {"run.sh", ".gitignore"}, "what was packed was meant"
    assert os.access(Path(source.root) / "run.sh", os.X_OK)
    with pytest.raises(SpecError, match="has no ref"):
        await take(file, tmp_path / "store", name="demo", ref="v1")


@settings(max_examples=30)
@given(st.lists(st.tuples(st.text("ab/", min_size=1, max_size=4), st.sampled_from("fxl"), st.text("01", max_size=2))))
def test_two_different_lists_of_entries_have_different_digests(rows: list[tuple[str, str, str]]) -> None:
    """Also when a path, kind and content could run into each other."""
    listed = sorted({path: manifest.Entry(path, kind, sha, 0) for path, kind, sha in rows}.values())
    shifted = [entry._replace(path=entry.path + entry.kind) for entry in listed]
    assert (manifest.digest(listed) == manifest.digest(shifted)) is (not listed)
    assert manifest.digest(listed) == manifest.digest(list(listed))
