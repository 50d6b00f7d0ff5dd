"""What an order costs. Money is whole cents."""

from __future__ import annotations

from dataclasses import dataclass

DISCOUNT_FROM = 10
DISCOUNT_PERCENT = 5


@dataclass(frozen=True)
class Line:
    """So many of one product, each at this price."""

    product: int
    quantity: int
    price_cents: int


def total_cents(lines: list[Line]) -> int:
    """The sum; ten or more of one product are 5 % cheaper, rounded in the customer's favour."""
    total = 0
    for line in lines:
        amount = line.quantity * line.price_cents
        if line.quantity >= DISCOUNT_FROM:
            amount = amount * (100 - DISCOUNT_PERCENT) // 100
        total += amount
    return total
