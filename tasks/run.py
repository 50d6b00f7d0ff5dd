"""What all stages of one run share."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from prefect.runtime import flow_run
from pydantic import Field

from domain.policy import Mode, Policy
from domain.spec import EnvironmentSpec, Spec
from domain.supply import Source
from domain.verdict import Value
from tasks.actor import actor as actor


class Run(Value):
    """One run of a flow over one project. `folder` is where its evidence goes, `store` where artifacts live."""

    id: str
    kind: str
    project: str
    root: Path
    spec: Spec
    environment: str | None = None
    ref: str | None = None
    version: str | None = None
    start_at: str | None = None
    actor: str
    holder: str
    store: Path
    folder: Path
    group: str = Field("", description="the flow run of the group that this run is one service of; empty when alone")

    @property
    def flow_run(self) -> str:
        """The id of Prefect's flow run."""
        return self.group or self.id

    @property
    def place(self) -> EnvironmentSpec:
        """The environment's own section of the spec; the defaults when the run has none."""
        return self.spec.environments.get(self.environment or "", EnvironmentSpec())

    def with_script_in(self, source: Source) -> Run:
        """The same run, its verification script found in the snapshot rather than in the work tree."""
        script = self.place.verify.script
        if script is None or self.environment is None:
            return self
        verify = self.place.verify.model_copy(update={"script": str(Path(source.root) / script)})
        place = self.place.model_copy(update={"verify": verify})
        environments = {**self.spec.environments, self.environment: place}
        return self.model_copy(update={"spec": self.spec.model_copy(update={"environments": environments})})

    @property
    def policy(self) -> Policy:
        """The environment's gates. Saying `[]` for tests or scanners lets a release go on without them, and is shown;
        a run that was started to test or to scan does not call that a PASS."""
        spec, unwanted = self.spec, dict[str, Mode]()
        if spec.tests.suites == () and self.kind != "execution":
            unwanted["tests"] = Mode.ADVISORY
        if not spec.scan.scanners and self.kind != "scan":
            unwanted["scan"] = Mode.ADVISORY
        return Policy(gates={**unwanted, **self.place.gates})


def new_run_id() -> str:
    """Prefect's flow run id where there is one, so that both sides name a run alike."""
    return str(flow_run.id) if flow_run.id else os.urandom(16).hex()


def holder(run_id: str) -> str:
    """Who holds a lease, in words that help the person who waits for it."""
    return f"{actor()}@{socket.gethostname()} pid {os.getpid()} run {run_id[:8]}"
