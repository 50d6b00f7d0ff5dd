"""Prefect's own suite for blocks, without its check of a picture, which would be fetched from the network."""

from __future__ import annotations

from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite


class BlockSuite(BlockStandardTestSuite):
    def test_has_a_valid_image(self, block: object) -> None:
        """These blocks show no picture; the suite of Prefect would fetch it."""
        assert getattr(block, "_logo_url", None) is None
