"""Routes that are asked for all the time: they answer the request as it is.

Invariant: what such a route declares (its dependencies, its parameters) is what the document says of it and nothing
more: resolving it would cost more than the answer, so the endpoint does all of it itself, the caller first.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request alone."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint
