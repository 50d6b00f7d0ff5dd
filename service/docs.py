"""The API's documentation as a page. Swagger UI comes from the installation, not from the network: many of the places
where this runs reach none, and no script of a stranger runs beside the records."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Test Execution System: API</title>
  <link rel="stylesheet" href="docs/assets/swagger-ui.css">
  <link rel="icon" href="data:,">
</head>
<body>
  <div id="api"></div>
  <noscript>The description of the API is at <a href="openapi.json">openapi.json</a>.</noscript>
  <script src="docs/assets/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null, defaultModelsExpandDepth: 0,
});
"""


@router.get("/docs", response_class=HTMLResponse)
def docs() -> str:
    return _PAGE


@router.get("/docs/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript")


def install(app: FastAPI) -> None:
    """Serve the page and what it needs."""
    # Found without importing it: the package replaces FastAPI's application class, and only its files are wanted.
    spec = importlib.util.find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package fastapi-offline, which holds Swagger UI, is not installed")
    app.mount("/docs/assets", StaticFiles(directory=Path(spec.origin).parent / "static"))
    app.include_router(router)
