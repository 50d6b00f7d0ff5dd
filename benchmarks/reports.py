"""What the reports of a large test run cost: JUnit XML and the HTML page, beside `junitparser`, with which people write
JUnit XML from Python. Each in a process of its own, over the same attempts.

    python benchmarks/reports.py [--quick]

200,000 cases (20,000 in quick mode; the page is always made of 20,000), of which one in a hundred fails with a kilobyte
of output and one in five hundred passes only on retry. `cpu_s` is processor time, which depends little on who else uses
the machine; `peak` is how far the process grew above its size with all attempts in memory. `page` includes the numbers,
the timeline and the data of all cases. pip install junitparser, to have it in the table; it is given a tenth of the
cases, since its document is all in memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_COMMON = f"""
import json, pathlib, sys, time
sys.path.insert(0, {str(ROOT)!r})
count, path = int(sys.argv[1]), pathlib.Path(sys.argv[2])
from domain.cases import Attempt, CaseId, Status, SuiteReport, judge

def memory(name):
    return int(pathlib.Path("/proc/self/status").read_text().partition(name + ":")[2].split()[0]) / 1000

def attempts():
    for n in range(count):
        file, name = f"tests/test_{{n // 50}}.py", f"test_that_{{n}}[{{n}}]"
        case = CaseId(suite="unit", file=file, classname="TestCart", name=name)
        more = dict(case=case, seconds=n % 7 / 100, worker=f"gw{{n % 4}}", started=1e9 + n / 100)
        bad = dict(message=f"assert {{n}} == 2", output="x" * 500 + chr(10) + "y" * 500)
        if n % 100 == 0:
            yield Attempt(status=Status.FAILED, **bad, **more)
            continue
        if n % 500 == 7:
            yield Attempt(status=Status.FAILED, **bad, **more)
        yield Attempt(status=Status.PASSED, number=1 + (n % 500 == 7), **more)

report = SuiteReport.model_construct(suite="unit", attempts=tuple(attempts()), seconds=60.0, workers=4)
"""
_WRITERS = {
    "junit.xml, ours": """
from toolchain.reports import junit_xml
def write():
    junit_xml.write([report], path)
""",
    "junit.xml, junitparser": """
from junitparser import Failure, JUnitXml, TestCase, TestSuite
def write():
    suite = TestSuite("unit")
    cases = []
    for one in report.attempts:
        case = TestCase(one.case.name, one.case.classname, one.seconds)
        if one.status.bad:
            failure = Failure(one.message, "failed")
            failure.text = one.output
            case.result = [failure]
        cases.append(case)
    suite.add_testcases(cases)
    whole = JUnitXml()
    whole.add_testsuite(suite)
    whole.write(str(path))
""",
    "page, ours": """
from domain.tally import tally
from toolchain.reports import html
import jinja2
def write():
    html.write(tally([report]), [judge(report)], path)
""",
}
_MEASURE = """
before, began, busy = memory("VmRSS"), time.perf_counter(), time.process_time()
write()
took, busy = time.perf_counter() - began, time.process_time() - busy
print(json.dumps([took, busy, max(0.0, memory("VmHWM") - before), path.stat().st_size / 1e6]))
"""


def measure(writer: str, cases: int, path: Path) -> dict[str, float]:
    """One writer in a process of its own: seconds, MB of memory above the attempts', MB written."""
    told = subprocess.run(
        [sys.executable, "-c", _COMMON + _WRITERS[writer] + _MEASURE, str(cases), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, busy, peak, size = json.loads(told.stdout)
    row = {"cases": cases, "seconds": round(seconds, 2), "cpu_s": round(busy, 2), "peak_mb": round(peak, 1)}
    each = {"cpu_us_a_case": round(busy / cases * 1e6, 1), "peak_bytes_a_case": round(peak * 1e6 / cases)}
    return row | each | {"file_mb": round(size, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    count = 20_000 if options.quick else 200_000
    sizes = {"junit.xml, ours": count, "junit.xml, junitparser": count // 10, "page, ours": 20_000}
    rows: dict[str, dict[str, float]] = {}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        for writer, cases in sizes.items():
            if "junitparser" in writer and importlib.util.find_spec("junitparser") is None:
                print("junitparser is not installed: left out")
                continue
            rows[writer] = measure(writer, cases, Path(folder) / "report")
            print(f"{writer:26}" + "  ".join(f"{name} {value:>9}" for name, value in rows[writer].items()), flush=True)
    name = "reports-quick.json" if options.quick else "reports.json"
    result = ROOT / "benchmarks" / "results" / name
    result.parent.mkdir(exist_ok=True)
    told = {"python": platform.python_version(), "load": [round(load, 2), round(os.getloadavg()[0], 2)], "rows": rows}
    result.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
