"""Projects."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

import records
from service.page import After, Limit, PageOut, paged
from service.problems import documented

router = APIRouter(prefix="/projects", tags=["projects"])


class ProjectOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    created: datetime


@router.get("", responses=documented(422))
def projects(limit: Limit = 50, after: After = None) -> PageOut[ProjectOut]:
    """Projects by name."""
    return paged(records.projects(limit, after=after), ProjectOut.model_validate)
