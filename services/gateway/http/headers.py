"""Headers that every answer carries: what a browser may do with it, and what is left of the caller's limit."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.http.limits import quota_of

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_POLICY = b"content-security-policy"
# An answer of the API is data: nothing in it may run or load. A page says its own.
_DATA_POLICY = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")

EXPOSED = (
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "Idempotency-Replayed",
    "Content-Disposition",
)


class Headers:
    """Adds them to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers.extend(_ALWAYS)
                if not any(name.lower() == _POLICY for name, _ in headers):
                    headers.append(_DATA_POLICY)
                quota = quota_of(scope)
                if quota is not None:
                    headers.extend(quota.headers())
            await send(message)

        await self._app(scope, receive, complete)
