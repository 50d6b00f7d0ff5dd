"""The tools of a release chained in a bash script: what a careful person without this system would write.

The argv, files and environment of every tool come from the very functions that the stages use (`toolchain/`), so that
what differs is the orchestration alone. The script makes the environments (on a fresh home), runs scanners and suites
side by side, migrates, starts the service, waits until it is healthy three times in a row, puts it under load, starts
it again for good, and sends smoke requests for the bake time. It judges nothing and keeps nothing.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from blocks.platforms.local_agent.process import free_port
from domain.spec import Spec, Suite
from toolchain.builders import bundle
from toolchain.command import Command, Ran
from toolchain.loadgens import LoadRequest
from toolchain.registry import module
from toolchain.runners import RunRequest
from toolchain.scanners import ScanRequest

_HEAD = """set -u
pids=
trap 'kill $pids 2>/dev/null' EXIT
told() { echo "$EPOCHREALTIME $1"; }
start() {  # PORT: migrate, start, three healthy answers in a row, 200 ms apart
  (cd "$TREE" && "$PYTHON" -m checkout.migrate) >>"$OUT/service.log" 2>&1
  (cd "$TREE" && exec "$PYTHON" -m uvicorn checkout.app:app --host 127.0.0.1 --port "$1" --no-access-log) \\
    >>"$OUT/service.log" 2>&1 &
  last=$!
  pids="$pids $last"
  good=0
  while [ $good -lt 3 ]; do
    if curl -fsS -o "$OUT/health" "http://127.0.0.1:$1/healthz" 2>/dev/null; then good=$((good + 1)); else good=0; fi
    [ $good -lt 3 ] && sleep 0.2
  done
}
"""


class Chain:
    """The chain of one project. `lock` is what pip-audit looks at; environments live in `folder` and are kept."""

    def __init__(self, folder: Path, project: Path, spec: Spec, lock: str) -> None:
        self._folder, self._project, self._spec, self._lock = folder, project, spec, lock
        self._number = 0

    def run(self, environment: dict[str, str], *, fresh: bool) -> tuple[float, dict[str, float]]:
        """Runs it; seconds in all, and seconds of each part. `fresh` makes the environments anew."""
        self._number += 1
        out = self._folder / f"chain-{self._number}"
        out.mkdir(parents=True)
        script = out / "chain.sh"
        script.write_text(self._script(out, fresh))
        began = time.time()
        done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, timeout=600)
        seconds = time.time() - began
        if done.returncode:
            raise RuntimeError(f"{script} ended with {done.returncode}: {done.stderr[-1000:]}")
        parts: dict[str, float] = {}
        before = began
        for line in done.stdout.splitlines():
            moment, name = line.split(" ", 1)
            parts[name], before = float(moment) - before, float(moment)
        return seconds, parts

    def _script(self, out: Path, fresh: bool) -> str:
        tree, service, tests = out / "tree", self._folder / "service", self._folder / "tests"
        lock = out / "lock.txt"
        lock.write_text(self._lock)
        build = [f"cp -r {shlex.quote(str(self._project))} {shlex.quote(str(tree))}"]
        if fresh:
            build += self._environment(out / "s", service, self._requirements())
        build.append(f"tar -czf {out}/bundle.tar.gz -C {tree} .")
        testing = self._environment(out / "t", tests, self._requirements(tests=True)) if fresh else []
        suites = [_line(self._suite(suite, out, tests), out / suite.name) for suite in self._suites()]
        scans = [self._scan(name, out, tree, lock) for name in self._spec.scan.scanners]
        ports = free_port(), free_port()
        load = _line(self._load(out, tree, f"http://127.0.0.1:{ports[0]}"), out)
        bake = self._spec.environments["staging"].verify
        requests = int(bake.bake * (bake.rate or 10))
        smoke = f"curl -fsS -o {out}/smoke http://127.0.0.1:{ports[1]}/products"
        together = ["(", *testing, *(f"{suite} &" for suite in suites), "wait", ") &", *(f"{scan} &" for scan in scans)]
        return _HEAD + "\n".join(
            [
                f"TREE={tree} OUT={out} PYTHON={service}/bin/python",
                *build,
                "told build",
                # Not a bare `wait` later on: the service would be waited for, too.
                *together,
                "wait",
                "told 'scan and tests'",
                f"start {ports[0]}",
                load,
                "kill $last",
                "told load",
                f"start {ports[1]}",
                "told deploy",
                f"for i in $(seq {requests}); do {smoke} & sleep {1 / (bake.rate or 10):.3f}; done",
                "told verify",
                "",
            ]
        )

    def _suites(self) -> tuple[Suite, ...]:
        return tuple(self._spec.tests.suites or ())

    def _requirements(self, *, tests: bool = False) -> list[str]:
        names = [*(self._spec.build.requirements or ()), *(self._spec.tests.requirements if tests else ())]
        return [
            line for name in names for line in (self._project / name).read_text().splitlines() if line[:1].isalpha()
        ]

    def _environment(self, work: Path, folder: Path, lines: list[str]) -> list[str]:
        create = bundle.create(sys.executable, folder, 120.0)
        install = bundle.install(folder / "bin" / "python", work, lines, (), 600.0)
        return [_line(create, work), _line(install, work)]

    def _suite(self, suite: Suite, out: Path, environment: Path) -> Command:
        # Suites run in a copy each, as ours do: they may write where they like.
        copy = out / f"tree-{suite.name}"
        shutil.copytree(self._project, copy)
        request = RunRequest(
            suite=suite, root=copy, out=out / suite.name, interpreter=environment / "bin" / "python", timeout=600
        )
        command: Command = module("toolchain.runners", suite.framework).command(request)
        return command

    def _scan(self, name: str, out: Path, tree: Path, lock: Path) -> str:
        tool = module("toolchain.scanners", name)
        request = ScanRequest(root=tree, out=out / name, exclude=self._spec.scan.exclude, lock=lock, artifact=None)
        line = _line(tool.command(request), out / name)
        if not hasattr(tool, "fallback"):
            return line
        # The lesser look that the stage takes, too, where Trivy can have no database.
        said = out / name / "failed.log"
        said.write_text("DB error")
        failed = Ran(argv=tool.command(request).argv, exit_code=1, seconds=0.0, stdout=said, stderr=said)
        lesser = tool.fallback(failed, request)
        return f"{{ {line} || {_line(lesser, out / name)}; }}" if lesser else line

    def _load(self, out: Path, tree: Path, address: str) -> Command:
        how = self._spec.load
        assert how is not None
        scripted = shutil.which("k6") is not None and how.script is not None
        request = LoadRequest(
            base_url=address,
            out=out / "load",
            script=tree / how.script if scripted and how.script else None,
            scenario=None if scripted else how.scenario,
            environment=how.environment,
            timeout=how.timeout,
        )
        command: Command = module("toolchain.loadgens", "k6" if scripted else "locust").command(request)
        return command


def _line(command: Command, out: Path) -> str:
    """A command as one line of bash; its files are written now, and its output goes to a file."""
    for folder in (out, *command.creates):
        folder.mkdir(parents=True, exist_ok=True)
    for path, text in command.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if command.report is not None:
        command.report.parent.mkdir(parents=True, exist_ok=True)
    words = ["env", *(f"{name}={value}" for name, value in command.environment.items()), *command.argv]
    log = out / f"{Path(command.argv[0]).name}.log"
    at = f"cd {shlex.quote(str(command.cwd))} && " if command.cwd else ""
    return f"({at}{shlex.join(words)}) >>{shlex.quote(str(log))} 2>&1"
