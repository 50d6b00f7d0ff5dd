"""Writing: plain functions that take domain values. Each is one transaction, and saying it twice changes nothing."""
