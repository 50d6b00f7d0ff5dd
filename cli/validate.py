"""`tes validate`: everything that is wrong with a tes.yaml, for a person or for a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from domain.errors import EXIT_PASS, EXIT_USAGE, SpecError
from domain.spec_problem import Problem, Severity
from domain.spec_text import parse
from tasks.spec_file import check, find, known_names, load_spec, read


def report(path: Path, as_json: bool = False) -> tuple[int, str]:
    """(exit code, text) for a file, or for the tes.yaml of a folder: 0 when it can be used, 3 when not.

    As JSON: `{"file", "valid", "problems": [{"line", "column", "key", "value", "message", "fix", "severity"}]}`.
    """
    try:
        file = find(path) if path.is_dir() else path
        if file is None:
            detected = load_spec(path).detected
            return EXIT_PASS, _json(None, []) if as_json else "\n  ".join(detected)
        problems: Sequence[Problem] = check(file)
    except SpecError as error:
        if not as_json:
            raise
        place = Problem(where=str(path), line=1, column=1, message=error.message, fix=error.fix)
        return error.exit_code, _json(path, [place])
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    code = EXIT_USAGE if errors else EXIT_PASS
    if as_json:
        return code, _json(file, problems)
    lines = [str(problem) for problem in problems]
    if errors:
        lines.append(f"{file}: {len(errors)} error{'s' if len(errors) > 1 else ''}")
    else:
        spec = parse(read(file), str(file), known=known_names())
        places = ", ".join(
            f"{name} ({place.strategy} on {place.platform})" for name, place in spec.environments.items()
        )
        lines.append(f"{file}: valid. Environments: {places or 'none'}")
    return code, "\n".join(lines)


def _json(path: Path | None, problems: Sequence[Problem]) -> str:
    shown = [problem.model_dump(mode="json", exclude={"where"}) for problem in problems]
    valid = not any(problem.severity is Severity.ERROR for problem in problems)
    return json.dumps({"file": str(path) if path else None, "valid": valid, "problems": shown}, indent=2)
