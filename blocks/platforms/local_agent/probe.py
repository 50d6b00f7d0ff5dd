"""One look at a copy's own health path."""

from __future__ import annotations

import asyncio


async def probe(port: int, path: str, timeout: float) -> tuple[bool, str]:
    """(True, "GET /healthz answered 200"), or (False, why). 2xx and 3xx are healthy, as for a Kubernetes probe
    (https://kubernetes.io/docs/concepts/workloads/pods/probes/)."""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: tes-health\r\n"
                    "Accept: */*\r\nConnection: close\r\n\r\n".encode()
                )
                line = (await reader.readline()).split()
            finally:
                writer.transport.abort()
    except TimeoutError:
        return False, f"GET {path} did not answer within {timeout:g} s"
    except ConnectionRefusedError:
        return False, f"nothing listens on its port {port} yet"
    except (OSError, ValueError) as error:
        return False, f"GET {path} broke: {error}"
    if len(line) < 2 or not line[0].startswith(b"HTTP/") or not line[1].isdigit():
        return False, f"GET {path} did not answer in HTTP"
    status = int(line[1])
    return 200 <= status < 400, f"GET {path} answered {status}"
