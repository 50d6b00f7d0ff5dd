"""`tes test --changed` without the command around it: plan, run, take in. For the benchmark and for trying it out.

python benchmarks/_changed.py PYTHON ROOT [pytest's arguments]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tasks import impact  # noqa: E402
from toolchain.engine_argv import engine_argv  # noqa: E402


def main(python: Path, root: Path, args: list[str]) -> int:
    """Returns the engine's exit code; 0 when nothing had to run."""
    planned = impact.plan(root, impact.store_path(root, "tests", args), impact.conditions(python))
    if planned.run == ():
        print(planned.counts(), "reused")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        select, words = None, list(planned.run or ())
        if any("::" in word for word in words):
            import json

            select = out / "select.json"
            select.write_text(json.dumps(words))
            words = list(dict.fromkeys(word.partition("::")[0] for word in words))
        ours = ["-q", "-p", "no:cacheprovider", f"--rootdir={root}"]
        argv = engine_argv(str(python), out, [*args, *ours, *words], select=select, impact=True)
        code = subprocess.run(argv, cwd=root, check=False).returncode
        print(impact.absorb(out, planned), dict(planned.reasons), planned.everything)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]).resolve(), sys.argv[3:]))
