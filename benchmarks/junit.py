"""What reading a large JUnit report costs: ours beside `xml.etree.iterparse` and, where it is installed, junitparser.

    python benchmarks/junit.py [--megabytes 1000] [--peer-megabytes 1000]

Each reader runs in a process of its own and counts the cases and the failures; peak memory is that of the whole process
(`VmHWM`). `stream` gives the attempts one by one, `read` is what a runner keeps of them. iterparse is used as its
manual recommends for large files (elements are cleared as they end); junitparser has no other way than to read all of
it. pip install junitparser, to have it in the table.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TRACE = "".join(f'  File "shop/cart.py", line {n}, in total\n    return sum(lines)\n' for n in range(20))
_PREFIX = f"import sys; sys.path.insert(0, {str(ROOT)!r}); path = sys.argv[1]; cases = bad = 0\n"
_SUFFIX = """
import json, pathlib, resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if (status := pathlib.Path("/proc/self/status")).exists():
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0])  # ru_maxrss keeps that of whoever started us
print(json.dumps([cases, bad, peak * 1024]))
"""
READERS = {
    "ours, stream": """
from pathlib import Path
from toolchain.reports import junit
for attempt in junit.stream(Path(path), 'unit'):
    cases += 1
    bad += attempt.status.bad
""",
    "ours, read": """
from pathlib import Path
from toolchain.reports import junit
report = junit.read(Path(path), 'unit')
assert report.doubts() == (), report.doubts()
cases = len(report.attempts) + sum(report.unlisted.values())
bad = report.bad
""",
    "xml.etree.iterparse, cleared": """
from xml.etree.ElementTree import iterparse
for event, element in iterparse(path, ('start', 'end')):
    if event == 'start':
        root = root if cases or 'root' in globals() else element
    elif element.tag == 'testcase':
        cases += 1
        bad += element.find('failure') is not None
    elif element.tag == 'testsuite':
        root.clear()
    if event == 'end' and element.tag in ('testcase', 'failure', 'system-out'):
        element.clear() if element.tag == 'testcase' else None
""",
    "junitparser": """
from junitparser import JUnitXml
for suite in JUnitXml.fromfile(path):
    for case in suite:
        cases += 1
        bad += any(type(result).__name__ == 'Failure' for result in case.result)
""",
}


def write(path: Path, megabytes: float) -> None:
    """Suites of 200 cases with half a kilobyte of output each; one case in a hundred fails with a trace."""
    limit = int(megabytes * 1e6)
    output = "INFO shop.cart: the customer's cart was priced &amp; taxed again\n" * 8
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="pytest tests">\n')
        number = 0
        while file.tell() < limit:
            file.write(f'<testsuite name="suite {number // 200}" tests="200" failures="2" errors="0" skipped="0">\n')
            for _ in range(200):
                number += 1
                inner = f"<system-out>{output}</system-out>"
                if number % 100 == 0:
                    inner = f'<failure message="assert {number} == 0">{_TRACE}</failure>{inner}'
                file.write(
                    f'<testcase classname="tests.test_{number // 200}.TestCart" name="test_total[{number}]" '
                    f'time="0.0{number % 10}">{inner}</testcase>\n'
                )
            file.write("</testsuite>\n")
        file.write("</testsuites>\n")


def measure(reader: str, path: Path) -> dict[str, float]:
    """One reader over a file: seconds, MB/s, peak MB."""
    began = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", _PREFIX + READERS[reader] + _SUFFIX, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - began
    cases, bad, peak = json.loads(told.stdout)
    size = path.stat().st_size / 1e6
    return {
        "file_mb": round(size),
        "cases": cases,
        "bad": bad,
        "seconds": round(seconds, 2),
        "mb_s": round(size / seconds, 1),
        "peak_mb": round(peak / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=1000.0)
    parser.add_argument("--peer-megabytes", type=float, default=0.0, help="for junitparser, which keeps all of it")
    options = parser.parse_args()
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.xml", Path(folder) / "small.xml"
        write(large, options.megabytes)
        write(small, options.peer_megabytes or min(200.0, options.megabytes))
        for reader in READERS:
            if reader == "junitparser" and importlib.util.find_spec("junitparser") is None:
                print("junitparser is not installed: left out")
                continue
            rows[reader] = measure(reader, small if reader == "junitparser" else large)
            print(f"{reader:30}" + "  ".join(f"{name} {value:>9}" for name, value in rows[reader].items()), flush=True)
    result = ROOT / "benchmarks" / "results" / "junit.json"
    result.parent.mkdir(exist_ok=True)
    told = {"python": platform.python_version(), "rows": rows}
    result.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
