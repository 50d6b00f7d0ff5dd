import pytest

from checkout.pricing import Line, total_cents


@pytest.mark.parametrize(
    ("quantity", "price", "total"),
    [(1, 890, 890), (2, 650, 1300), (9, 100, 900), (10, 100, 950), (11, 99, 1034), (1000, 1250, 1187500)],
)
def test_ten_or_more_of_a_product_are_cheaper(quantity: int, price: int, total: int) -> None:
    assert total_cents([Line(1, quantity, price)]) == total


def test_the_discount_is_for_each_product_by_itself() -> None:
    assert total_cents([Line(1, 5, 100), Line(2, 5, 100)]) == 1000


def test_nothing_costs_nothing() -> None:
    assert total_cents([]) == 0
