"""What an artifact is called where it is fetched."""

from __future__ import annotations

import pytest

from domain.supply import Artifact

DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("location", "reference"),
    [
        ("registry.example/shop:1", f"registry.example/shop@{DIGEST}"),
        ("registry.example:5000/team/shop", f"registry.example:5000/team/shop@{DIGEST}"),
        ("localhost/shop:1", f"localhost/shop@{DIGEST}"),
        ("shop:1", "shop:1"),
        ("library/shop:1", "library/shop:1"),
        (f"registry.example/shop@{DIGEST}", f"registry.example/shop@{DIGEST}"),
    ],
)
def test_an_image_is_named_by_digest_where_its_location_is_a_registry(location: str, reference: str) -> None:
    assert Artifact(kind="image", digest=DIGEST, location=location).reference == reference
