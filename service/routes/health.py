"""Is the process alive, and can it do its work? Two questions: an orchestrator restarts on the first only."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

import records
from service.problems import documented

router = APIRouter(tags=["health"])


class Status(BaseModel):
    status: str


class Version(BaseModel):
    name: str
    version: str


@router.get("/", include_in_schema=False)
def root() -> RedirectResponse:
    return RedirectResponse("docs")


@router.get("/healthz")
async def healthz() -> Status:
    """The process answers. It asks nobody else: a database that is down is no reason to restart this."""
    return Status(status="alive")


@router.get("/readyz", responses=documented())
def readyz() -> Status:
    """The records answer, with a schema that this version can read; 503 with the reason when they do not."""
    records.ping()
    return Status(status="ready")


# Load balancers and monitors ask with HEAD.
router.add_api_route("/healthz", healthz, methods=["HEAD"], include_in_schema=False)
router.add_api_route("/readyz", readyz, methods=["HEAD"], include_in_schema=False)


@router.get("/api/v1/version")
async def about() -> Version:
    """Which version of the system this is."""
    try:
        number = version("test-execution-system")
    except PackageNotFoundError:  # run from an unpacked release, which is not installed
        number = "unknown"
    return Version(name="test-execution-system", version=number)
