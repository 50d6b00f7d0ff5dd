"""The service's endpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from checkout import client, migrate, pricing, settings, store

MAX_LINES = 100
MAX_QUANTITY = 1000


def home(request: Request) -> Response:
    told = {"service": "checkout", "version": settings.version(), "environment": settings.environment()}
    # By this header `release.proof` in tes.yaml knows which release answered.
    return JSONResponse(told, headers={"X-Release": settings.version()})


def healthz(request: Request) -> Response:
    """200 when orders could be taken: the database answers and has the schema that this code needs."""
    try:
        with store.connect() as connection:
            number = store.schema_number(connection)
    except (OSError, sqlite3.Error) as error:
        return JSONResponse({"status": "no database", "reason": str(error)}, 503)
    if number < migrate.newest():
        return JSONResponse({"status": "database too old", "fix": "run python -m checkout.migrate"}, 503)
    return JSONResponse({"status": "ok", "schema": number})


def list_products(request: Request) -> Response:
    with store.connect() as connection:
        products = store.products(connection)
    return JSONResponse({"products": products, "for": client.address(request)})


async def place_order(request: Request) -> Response:
    try:
        body = await request.json()
    except ValueError:
        return refused("the body is not JSON")
    return await run_in_threadpool(_place_order, body, client.address(request))


def _place_order(body: Any, sender: str) -> Response:
    items, customer = (body.get("items"), body.get("customer")) if isinstance(body, dict) else (None, None)
    if not isinstance(customer, str) or not customer.strip():
        return refused("customer is missing")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_LINES:
        return refused(f"items must be a list of 1 to {MAX_LINES}")
    quantities: dict[int, int] = {}
    for item in items:
        product, quantity = (item.get("product"), item.get("quantity")) if isinstance(item, dict) else (None, None)
        if type(product) is not int or type(quantity) is not int or not 0 < quantity <= MAX_QUANTITY:
            return refused(f"an item is {{product, quantity}}, the quantity 1 to {MAX_QUANTITY}")
        quantities[product] = quantities.get(product, 0) + quantity
    with store.connect() as connection:
        prices = store.prices(connection, list(quantities))
        unknown = sorted(quantities.keys() - prices.keys())
        if unknown:
            return refused(f"there is no product {unknown[0]}")
        lines = [pricing.Line(product, quantity, prices[product]) for product, quantity in quantities.items()]
        total = pricing.total_cents(lines)
        id_ = store.add_order(connection, customer.strip(), sender, lines, total)
    return JSONResponse({"id": id_, "total_cents": total}, 201, headers={"Location": f"/orders/{id_}"})


def show_order(request: Request) -> Response:
    with store.connect() as connection:
        found = store.order(connection, request.path_params["id"])
    return JSONResponse(found) if found else JSONResponse({"error": "there is no such order"}, 404)


def refused(reason: str) -> Response:
    return JSONResponse({"error": reason}, 422)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    # Where it is released, the release migrates; on a laptop it is one command less.
    if settings.environment() == "development":
        migrate.migrate()
    yield


app = Starlette(
    routes=[
        Route("/", home),
        Route("/healthz", healthz),
        Route("/products", list_products),
        Route("/orders", place_order, methods=["POST"]),
        Route("/orders/{id:int}", show_order),
    ],
    lifespan=lifespan,
)
