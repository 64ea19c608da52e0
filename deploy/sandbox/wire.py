"""What both dialects share on the wire: a call, an answer, numbers as text."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from .core.book import Book
from .core.records import Key, Position
from .core.venue import Venue

ENCODER = msgspec.json.Encoder()


class Answer(NamedTuple):
    """An HTTP answer before it is sent. `document` is what JSON will be made of."""

    document: Any
    status: int = 200
    headers: Mapping[str, str] = {}

    def encode(self) -> bytes:
        return ENCODER.encode(self.document)


class Request(msgspec.Struct, frozen=True):
    """An HTTP request as it came. `query` and `body` are exactly as sent: signatures are over them."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    # Set where the venue took the request in earlier than it works on it: its clock check was then.
    received_ms: int | None = None


# The positions that an answer may show: all of the account's, unless a fault says otherwise.
PositionView = Callable[[Book], list[Position]]


class Login(NamedTuple):
    """Who calls: the account and the key that signed."""

    book: Book
    key: Key


class Call(msgspec.Struct, kw_only=True):
    """A request as a handler sees it, once it has been let in."""

    method: str
    path: str
    params: dict[str, Any]
    login: Login | None = None
    view: PositionView
    fill_fraction: Decimal | None = None

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text, the default where it was not sent."""
        value = self.params.get(name)
        if value is None:
            return default
        return str(value).lower() if isinstance(value, bool) else str(value)

    @property
    def book(self) -> Book:
        """The caller's account; only for calls that had to be signed."""
        if self.login is None:
            raise LookupError("the call is not signed")
        return self.login.book


class Exchange(Protocol):
    """A venue's dialect, as the server drives it."""

    venue: Venue

    def run(self, request: Request, view: PositionView, fill_fraction: Decimal | None) -> Answer:
        """Let the request in or refuse it, do what it asks, and answer in the venue's form."""
        ...

    def key_of(self, request: Request) -> str:
        """The API key that the request names, empty if none; not yet checked."""
        ...

    def fail(self, status: int, code: int | None, message: str, headers: Mapping[str, str]) -> Answer:
        """An error in the venue's form."""
        ...


def plain(value: Decimal) -> str:
    """A number without exponent or trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def fixed(value: Decimal, places: int) -> str:
    """A number with that many decimals."""
    return f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):f}"


def on_grid(value: Decimal, grid: Decimal) -> str:
    """A number with as many decimals as the grid (a tick or a step) has, trailing zeros of the grid aside."""
    exponent = grid.normalize().as_tuple().exponent
    return fixed(value, max(0, -exponent if isinstance(exponent, int) else 0))
