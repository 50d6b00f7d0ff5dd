"""What a resident engine may import ahead of the tests: libraries that would be the same in a fresh process.

A library is left out when importing it does what a fresh engine would have to do later, or differently: it takes in a
module that pytest rewrites, or one of the project; it starts a thread; it reads a file of the project.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import site
import sys
import sysconfig
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

HERE = os.path.dirname(os.path.abspath(__file__))
_PATCHERS = ("gevent.monkey", "eventlet.patcher")
_OURS = ("PYTEST_", "COVERAGE_", "COV_CORE_")
_SKIPPED = ("__pycache__", "node_modules", "site-packages")
_LIMIT = 40
"""Libraries that are left out one by one before none is imported at all."""


def libraries() -> Tuple[str, ...]:
    """The interpreter's own folders: its standard library and what is installed into it."""
    words = ("stdlib", "platstdlib", "purelib", "platlib")
    found = [sysconfig.get_path(word) for word in words] + site.getsitepackages() + [site.getusersitepackages()]
    return tuple({os.path.realpath(one) + os.sep for one in found})


def is_library(path: str, folders: Tuple[str, ...]) -> bool:
    return os.path.realpath(path).startswith(folders)


def top(name: str) -> str:
    return name.partition(".")[0]


def files() -> Dict[str, str]:
    """The file of each module that has one, by the module's name in `sys.modules`."""
    found = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and name != "__main__":
            found[name] = path
    return found


def tell(out: str, before: Mapping[str, str]) -> None:
    """Writes the libraries that this process has into OUT/modules: none if the tests prepare the ground for them.

    `before` is the environment that the process started with. A conftest that sets a variable for what is imported
    after it would come too late.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    same = ours == {name: value for name, value in before.items() if not name.startswith(_OURS)}
    names: List[str] = []
    rewritten: Set[str] = set()
    if same and not any(name in sys.modules for name in _PATCHERS):
        folders = libraries()
        for name, path in files().items():
            if not is_library(path, folders) or name.startswith(("_tes_engine", "__editable__")):
                continue
            if type(getattr(sys.modules[name], "__loader__", None)).__name__ == "AssertionRewritingHook":
                rewritten.add(top(name))
            elif getattr(getattr(sys.modules[name], "__spec__", None), "name", None) == name:
                names.append(name)
    folder = os.path.join(out, "modules")
    os.makedirs(folder, exist_ok=True)
    told = {"same": same, "names": names, "rewritten": sorted(rewritten)}
    with open(os.path.join(folder, f"{os.getpid()}.json"), "w", encoding="utf-8") as file:
        json.dump(told, file)


def plugins() -> Set[str]:
    """The top-level names of all distributions that plug into pytest, which rewrites them."""
    found = set()
    for one in importlib.metadata.distributions():
        if any(point.group == "pytest11" for point in one.entry_points):
            found |= {top(str(path).split("/")[0]) for path in one.files or () if str(path).endswith(".py")}
            found |= {top(point.value.partition(":")[0]) for point in one.entry_points if point.group == "pytest11"}
    return found - {"pytest", "_pytest"}


def own_names(root: str) -> Set[str]:
    """The names that the project's modules could be imported by, as seen from any folder that may get on the path."""
    found: Set[str] = set()
    for folder, inner, names in os.walk(root):
        if "pyvenv.cfg" in names:
            inner.clear()
            continue
        inner[:] = [name for name in inner if not name.startswith(".") and name not in _SKIPPED]
        package = "__init__.py" in names
        if not package:
            found |= {top(name) for name in names if name.endswith((".py", ".so", ".pyd"))}
            found |= {name for name in inner if os.path.exists(os.path.join(folder, name, "__init__.py"))}
    return found


class Shelf:
    """What has been imported. `root` is the project's folder, `avoid` are top-level names to leave out."""

    def __init__(self, root: str, avoid: Set[str]) -> None:
        self.root, self.folders = os.path.realpath(root) + os.sep, libraries()
        self.avoid = avoid | plugins() | own_names(root)
        self.stamps: Dict[str, Optional[Tuple[int, int]]] = {}
        self.good: Set[str] = set()

    def fill(self, names: List[str]) -> List[str]:
        """Imports what can be; returns the libraries that were left out."""
        left: List[str] = []
        names = [name for name in names if top(name) not in self.avoid]
        while names and len(left) < _LIMIT:
            spoiler = self._scout(names)
            if spoiler is None:
                for _ in _imported(names):
                    pass
                break
            left.append(spoiler)
            names = [name for name in names if top(name) != spoiler]
        self.stamps = {path: _stamp(path) for path in [*files().values(), *self.folders]}
        return left

    def _scout(self, names: List[str]) -> Optional[str]:
        """The first library that must not be imported, found out in a process that is thrown away."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            told = names[0]
            try:
                told = self._spoiler(names)
            finally:
                os.write(writing, told.encode())
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            told = file.read().decode()
        _, status = os.waitpid(pid, 0)
        # A name that kills the scout tells nothing of itself: the first name stands for all trouble.
        return (told or None) if status == 0 else top(names[0])

    def _spoiler(self, names: List[str]) -> str:
        read: List[str] = []

        def hear(event: str, arguments: Any) -> None:
            if event == "open" and isinstance(arguments[0], str):
                path = os.path.realpath(arguments[0])
                if path.startswith(self.root) and not path.startswith(self.folders):
                    read.append(path)

        sys.addaudithook(hear)
        for name in _imported(names):
            if read or threads() > 1 or self.wrong():
                return top(name)
        return ""

    def wrong(self) -> str:
        """A module that must not be here; "" when there is none."""
        for name, path in files().items():
            if top(name) in self.avoid:
                return name
            if path not in self.good:
                if not (is_library(path, self.folders) or path.startswith(HERE)):
                    return name
                self.good.add(path)
        return ""

    def stale(self) -> bool:
        """Whether a fresh process would import something else by now."""
        self.avoid |= own_names(self.root)
        return any(_stamp(path) != stamp for path, stamp in self.stamps.items()) or bool(self.wrong())


def _imported(names: List[str]) -> Iterator[str]:
    """Each name, after it has been imported or could not be."""
    for name in names:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except BaseException:  # whatever it is, the tests shall meet it themselves
                pass
            yield name


def _stamp(path: str) -> Optional[Tuple[int, int]]:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


def threads() -> int:
    """Threads of this process, those of libraries included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 2
