"""The API service: the records, read-only. It starts without a database and says so in /readyz."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

import records
from service import docs, problems
from service.headers import SecurityHeaders
from service.problems import Problem
from service.routes import audit, health, memory, projects, releases, rollouts, runs

API = "/api/v1"


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    records.close()


def create_app() -> FastAPI:
    """A new application; where the records are is read from the settings at each request."""
    app = FastAPI(
        title="Test Execution System",
        summary="What ran, what it found, what was released.",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(SecurityHeaders)
    problems.install(app)
    docs.install(app)
    app.include_router(health.router)
    api = APIRouter(prefix=API)
    for routes in (runs, releases, rollouts, audit, projects, memory):
        api.include_router(routes.router)
    app.include_router(api)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the problem's schema, which no route returns by type, into the OpenAPI description."""
    describe = app.openapi

    def described() -> dict[str, object]:
        if app.openapi_schema is None:
            schema = describe()
            schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return app.openapi_schema or {}

    app.openapi = described  # type: ignore[method-assign]


app = create_app()
