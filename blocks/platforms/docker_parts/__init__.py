"""The platform `docker` in parts: the engine's API, the proxy and its container, the copies, the access log."""
