"""Reading: queries that return detached rows or values, in pages."""
