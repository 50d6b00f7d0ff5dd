"""Alembic migrations, shipped with the code that needs them."""
