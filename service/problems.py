"""Errors as `application/problem+json` (RFC 9457): one shape for everything that goes wrong."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from domain.errors import SpecError, TesError, Unavailable

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong. `detail` is for a person; `fix` is the next thing to do, where one is known."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    instance: str = Field("", description="the path that was asked for")
    fix: str | None = None


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its OpenAPI description."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        code: {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: schema}}
        for code in sorted({*codes, 503})
    }


def missing(what: str, name: str) -> HTTPException:
    """404 that says what was not found."""
    return HTTPException(404, f"there is no {what} {name!r}")


def problem(request: Request, status: int, detail: str, fix: str | None = None) -> JSONResponse:
    told = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, instance=request.url.path, fix=fix or None
    )
    return JSONResponse(told.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""

    @app.exception_handler(StarletteHTTPException)
    async def _http(request: Request, error: StarletteHTTPException) -> JSONResponse:
        # Starlette's own 404 says "Not Found" and not what.
        generic = error.status_code == 404 and error.detail == HTTPStatus.NOT_FOUND.phrase
        told = problem(request, error.status_code, f"there is no {request.url.path}" if generic else str(error.detail))
        told.headers.update(error.headers or {})
        return told

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        told = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        return problem(request, 422, told)

    @app.exception_handler(TesError)
    async def _ours(request: Request, error: TesError) -> JSONResponse:
        status = 503 if isinstance(error, Unavailable) else 422 if isinstance(error, SpecError) else 500
        if status != 422:
            _log.error("%s %s: %s", request.method, request.url.path, error)
        return problem(request, status, error.message, error.fix)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> JSONResponse:
        # The server logs the traceback; a caller gets none of it.
        return problem(request, 500, "the service has a bug here; its log says more")
