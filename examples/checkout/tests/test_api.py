from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from checkout import store
from checkout.app import app

ORDER = {"customer": "ada@example.com", "items": [{"product": 1, "quantity": 2}]}


def test_home_shows_the_version(service: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_VERSION", "1.2.3")
    answer = service.get("/")
    assert (answer.json()["version"], answer.headers["X-Release"]) == ("1.2.3", "1.2.3")


def test_healthy_with_a_database_that_is_up_to_date(service: TestClient) -> None:
    answer = service.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_not_healthy_before_the_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_ENVIRONMENT", "production")
    with TestClient(app) as client:
        assert client.get("/healthz").status_code == 503


def test_products_have_names_and_prices(service: TestClient) -> None:
    products = service.get("/products").json()["products"]
    assert [product["name"] for product in products] == ["coffee, 250 g", "tea, 100 g", "mug"]
    assert all(product["price_cents"] > 0 for product in products)


def test_an_order_can_be_placed_and_read(service: TestClient) -> None:
    placed = service.post("/orders", json=ORDER)
    assert (placed.status_code, placed.json()["total_cents"]) == (201, 1780)
    order = service.get(placed.headers["location"]).json()
    assert order["items"] == [{"product": 1, "quantity": 2, "price_cents": 890}]


def test_a_product_named_twice_is_one_line(service: TestClient) -> None:
    items = [{"product": 3, "quantity": 6}, {"product": 3, "quantity": 4}]
    placed = service.post("/orders", json={"customer": "a", "items": items})
    assert placed.json()["total_cents"] == 11875


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "customer"),
        ({"items": ORDER["items"]}, "customer"),
        ({"customer": " ", "items": ORDER["items"]}, "customer"),
        ({"customer": "a"}, "items"),
        ({"customer": "a", "items": []}, "items"),
        ({"customer": "a", "items": [{"product": 1, "quantity": 0}]}, "quantity"),
        ({"customer": "a", "items": [{"product": 1, "quantity": True}]}, "quantity"),
        ({"customer": "a", "items": [{"product": 99, "quantity": 1}]}, "no product 99"),
    ],
)
def test_a_wrong_order_is_refused_with_the_reason(service: TestClient, body: object, reason: str) -> None:
    answer = service.post("/orders", json=body)
    assert answer.status_code == 422
    assert reason in answer.json()["error"]


def test_a_body_that_is_no_json_is_refused(service: TestClient) -> None:
    assert service.post("/orders", content=b"{").status_code == 422


def test_an_unknown_order_is_404(service: TestClient) -> None:
    assert service.get("/orders/12345").status_code == 404


@pytest.mark.parametrize(
    ("header", "client"),
    [("203.0.113.7", "203.0.113.7"), ("198.51.100.1, 203.0.113.7", "203.0.113.7"), ("", "testclient")],
)
def test_an_order_is_kept_with_the_customers_address(service: TestClient, header: str, client: str) -> None:
    placed = service.post("/orders", json=ORDER, headers={"X-Forwarded-For": header})
    with store.connect() as connection:
        row = connection.execute("SELECT client FROM orders WHERE id = ?", (placed.json()["id"],)).fetchone()
    assert row["client"] == client
