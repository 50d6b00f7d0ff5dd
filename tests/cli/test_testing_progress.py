"""What a person reads of a run of tests while it goes on."""

from __future__ import annotations

from cli.testing.progress import Progress, told


def test_a_failure_that_is_looked_at_again_is_said_to_be_and_counts_once_it_is_told() -> None:
    progress = Progress({}, whole=True)
    progress.feed(
        [{"e": "doubted", "id": "a.py::one", "o": "failed"}, {"e": "doubted", "id": "a.py::two", "o": "failed"}]
    )
    assert told(progress.counts, progress.flaky, len(progress.doubted)) == "2 looked at again"

    progress.feed(
        [{"e": "result", "id": "a.py::one", "o": "passed"}, {"e": "result", "id": "a.py::two", "o": "failed"}]
    )
    assert told(progress.counts, progress.flaky, len(progress.doubted)) == "1 failed, 1 passed"
