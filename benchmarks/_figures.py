"""What the engine's results come to: means and aims, and the table for people. Void rows enter nothing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]
COLUMNS = ("pytest", "xdist load", "xdist worksteal", "engine", "tes test")
RATIOS = ("engine / xdist, wall", "engine / pytest, wall", "engine / limit", "engine / xdist, cpu",
          "tes test / xdist, wall")  # fmt: skip


def sound(result: Result) -> dict[str, Any]:
    """The suites whose rows count."""
    return {name: told for name, told in result.get("suites", {}).items() if not told["void"]}


def means(result: Result) -> dict[str, float]:
    """Geometric means of the ratios over the sound suites; empty when there is none."""
    rows = [told["ratios"] for told in sound(result).values()]
    return {name: round(statistics.geometric_mean(row[name] for row in rows), 3) for name in rows[0]} if rows else {}


def aims(result: Result) -> list[str]:
    """The issue's aims beside what was seen."""
    found: list[tuple[str, float, float]] = []
    rows = {name: told["ratios"] for name, told in sound(result).items()}
    if rows:
        found.append(("engine / better xdist, geometric mean", means(result)["engine / xdist, wall"], 0.5))
        for word, aim in (("xdist, wall", 0.8), ("pytest, wall", 1.05), ("limit", 1.2)):
            worst = max(rows, key=lambda name: rows[name][f"engine / {word}"])
            found.append((f"engine / {word}, worst: {worst}", rows[worst][f"engine / {word}"], aim))
    if suites := result.get("suites"):
        others = sum(len(told["differences"].get("engine", ())) for told in suites.values())
        found += [("void rows", len(suites) - len(rows), 0), ("cases that came out otherwise", others, 0)]
    if "skewed" in result:
        found.append(("skewed, engine / ideal", result["skewed"]["of_ideal"]["engine"], 1.05))
    if told := result.get("kills"):
        bad = sum(told[name] for name in ("lost", "doubled", "wrong", "hung", "problems"))
        found.append((f"lost, doubled, wrong, hung, problems after {told['kills']} kills", bad, 0))
        found.append(("kills short of those wanted", told["wanted"] - told["kills"], 0))
    return [f"{'met   ' if value <= aim else 'MISSED'}  {name}: {value:g} (aim: at most {aim:g})"
            for name, value, aim in found]  # fmt: skip


def table(result: Result) -> str:
    """All parts that were measured, as Markdown."""
    told = (_suites(result), _failing(result), _skewed(result), _kills(result))
    return "\n\n".join(part for part in (*told, "\n".join(f"- {line}" for line in aims(result))) if part)


def _suites(result: Result) -> str:
    if not result.get("suites"):
        return ""
    lines = [_row("suite", "cases", *COLUMNS, "limit", *RATIOS, "load", "rounds"), _row(*["---"] * 15)]
    for name, told in result["suites"].items():
        walls = [f"{told['modes'][mode]['wall']:.2f}" for mode in COLUMNS]
        numbers = [f"{told['ratios'][one]:.2f}" for one in RATIOS]
        if told["void"]:
            numbers = ["void"] * len(RATIOS)
        title = f"{name} {told['of']['version']}" + (f" ({told['part']})" if told["part"] else "")
        load = f"{told['of']['load'][0]:.1f} to {told['of']['load'][1]:.1f}"
        limit = f"{told['limit']['limit_s']:.2f}"
        lines.append(_row(title, str(told["cases"]), *walls, limit, *numbers, load, str(told["rounds"])))
    if mean := means(result):
        count = f"geometric mean of {len(sound(result))}"
        lines.append(_row(count, *[""] * 7, *[f"{mean[one]:.2f}" for one in RATIOS], "", ""))
    for name, told in result["suites"].items():
        lines += [f"\nvoid: {name}: {reason}" for reason in told["void"]]
        if told["unstable"]:
            lines.append(f"\n{name}: {len(told['unstable'])} cases come out otherwise in plain pytest itself, and are "
                         "not compared")  # fmt: skip
    return "\n".join([*lines, "", _under(list(result["suites"].values()))])


def _failing(result: Result) -> str:
    if not result.get("failing"):
        return ""
    names = ("cases", "fail", *COLUMNS, *RATIOS[:2])
    lines = [_row("with ten planted failures", *names), _row(*["---"] * (len(names) + 1))]
    for name, told in result["failing"].items():
        walls = [f"{told['modes'][mode]['wall']:.2f}" for mode in COLUMNS]
        numbers = ["void" if told["void"] else f"{told['ratios'][one]:.2f}" for one in RATIOS[:2]]
        lines.append(_row(f"{name} {told['of']['version']}", str(told["cases"]), str(told["bad"]), *walls, *numbers))
        lines += [f"\nvoid: {name}: {reason}" for reason in told["void"]]
    return "\n".join([*lines, "", _under(list(result["failing"].values()))])


def _skewed(result: Result) -> str:
    told = result.get("skewed")
    if not told:
        return ""
    lines = [_row(f"{told['tests']} skewed tests", "wall s", "of ideal"), _row(*["---"] * 3)]
    lines += [_row(name, f"{wall:.2f}", f"{told['of_ideal'][name]:.3f}") for name, wall in told["wall_s"].items()]
    lines.append(_row("ideal", f"{told['ideal_s']:.2f}", "1"))
    return "\n".join([*lines, "", _under([told])])


def _kills(result: Result) -> str:
    told = result.get("kills")
    if not told:
        return ""
    names = ("kills", "runs", "attempts_lost", "lost", "doubled", "wrong", "given_up", "problems", "hung")
    xdist = told["xdist"]
    lines = [_row("workers killed", *names), _row(*["---"] * 10), _row("engine", *(str(told[name]) for name in names))]
    lines.append(_row("pytest-xdist", *(str(xdist.get(name, "")) for name in names)))
    lines += [f"\n{one}" for one in told["examples"][:5]]
    return "\n".join([*lines, "", _under([told])])


def _under(rows: list[Any]) -> str:
    """The versions, dates and revisions that the rows were measured with."""
    words = {" ".join(f"{name} {version}" for name, version in row["of"]["versions"].items()) for row in rows}
    revisions = sorted({f"{row['of']['when']} at {row['of']['revision']}" for row in rows})
    return f"{'; '.join(sorted(words))}; {', '.join(revisions)}; {rows[0]['of']['machine']['cpus']} cores."


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
