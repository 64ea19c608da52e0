"""What a process says about itself on its admin port, read over loopback.

Invariant: what cannot be read is not ready; nothing here raises because a process is still starting.
"""

from dataclasses import dataclass

import httpx

from deploy.local.ports import LOOPBACK

TIMEOUT_SECONDS = 2.0
SERVING = "SERVING"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a process is ready, and which of its health services are SERVING."""

    ready: bool
    serving: frozenset[str]


NOT_READY = Readiness(ready=False, serving=frozenset())


def open_client() -> httpx.AsyncClient:
    """A client for loopback: it ignores proxies, which know nothing of it."""
    return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)


async def read_readiness(client: httpx.AsyncClient, admin_port: int) -> Readiness:
    """Read /readyz of the process with this admin port."""
    try:
        answer = await client.get(f"http://{LOOPBACK}:{admin_port}/readyz")
        services = answer.json()["services"]
        serving = frozenset(name for name, status in services.items() if status == SERVING)
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return NOT_READY
    return Readiness(ready=answer.status_code == httpx.codes.OK, serving=serving)


async def is_alive(client: httpx.AsyncClient, admin_port: int) -> bool:
    """Whether the process with this admin port answers /healthz; it is waited for until the caller gives up."""
    try:
        answer = await client.get(f"http://{LOOPBACK}:{admin_port}/healthz", timeout=None)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


async def answers_http(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether anything but a server's error is answered at this address."""
    try:
        answer = await client.get(url)
    except httpx.HTTPError:
        return False
    return answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR
