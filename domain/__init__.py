"""Pure decisions and values: no Prefect, no SQLModel, no SDK, no I/O. Everything here can be tested with plain data."""
