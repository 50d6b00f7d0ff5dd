"""Prefect blocks: typed configuration plus capability. The only layer that may import a cloud SDK, and late."""
