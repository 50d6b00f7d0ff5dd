"""The first thing a run does: holds the project's files still."""

from __future__ import annotations

from domain.supply import Source
from tasks import progress, recording
from tasks.kinds import observe
from tasks.run import Run
from tasks.snapshot import take


@observe("source of {run.project}")
async def source(run: Run) -> Source:
    """A clean copy of the project's files at the run's revision, content-addressed."""
    progress.working("source", "taking the files")
    found = await take(run.root, run.store, name=run.project, ref=run.ref, exclude=run.spec.build.exclude)
    await recording.opened(run, found.digest)
    progress.done("source", f"{found.files} files, {found.size / 1e6:.1f} MB, version {found.version}")
    return found
