"""One noun a file: what the API shows of it, and the routes that show it. Read-only."""
