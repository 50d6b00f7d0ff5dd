"""Pages as the API gives them, and the parameters that ask for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

import records
from records.read.page import MAX_PAGE

Row = TypeVar("Row")
Out = TypeVar("Out", bound=BaseModel)

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="how many at most")]
After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
Count = Annotated[str | None, Query(pattern=r"^[0-9]{1,9}$", description="`next` of the page before")]
Filter = Annotated[str | None, Query(max_length=200)]


class PageOut(BaseModel, Generic[Out]):
    """A page of a list."""

    items: list[Out]
    next: str | None = Field(description="pass it as `after` for the next page; null on the last")


def paged(page: records.Page[Row], out: Callable[[Row], Out]) -> PageOut[Out]:
    """The page with each row as the API shows it."""
    return PageOut(items=[out(row) for row in page.items], next=page.next)
