"""Domain errors: facts with a kind, a stable reason and a message that may be shown to anyone.

Invariants: this module imports the standard library only, so that a service's domain may use it; one reason belongs
to one class in the whole repository; the message is the class's docstring with its facts filled in; facts are never
secrets.
"""

import enum
import inspect
import re
import string
from datetime import datetime
from decimal import Decimal
from typing import Any, Self


class ErrorKind(enum.Enum):
    """What sort of fact an error is; decides its gRPC status and its HTTP status, and nothing else does."""

    NOT_FOUND = "not_found"
    INVALID = "invalid"
    CONFLICT = "conflict"
    ALREADY = "already"
    DENIED = "denied"
    UNAVAILABLE = "unavailable"
    PRECONDITION = "precondition"
    EXHAUSTED = "exhausted"
    UNAUTHENTICATED = "unauthenticated"


class StartupError(Exception):
    """A process cannot start for a reason that its operator can mend: printed as one line, without a traceback."""


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


_registry: dict[str, type["DomainError"]] = {}


class DomainError(Exception):
    """A fact that stands in the way of what was asked.

    Subclass one of the kinds below, once per fact, with the message as docstring and its facts in braces:

        class PositionNotFound(NotFound):
            \"\"\"Position {position_id} does not exist.\"\"\"

        raise PositionNotFound(position_id=position_id)

    `kind` and `reason` can be read from the class or the instance; `message` and `metadata` from the instance. Facts
    that the docstring does not name are carried in the metadata all the same. A fact whose value is None is left out.
    """

    kind: ErrorKind
    reason: str
    _template: str

    def __init_subclass__(cls, *, kind: ErrorKind | None = None, reason: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:  # one of the kinds below: a base, not a fact
            cls.kind = kind
            return
        if not hasattr(cls, "kind"):
            raise TypeError(f"{cls.__qualname__} must derive from a kind of DomainError, such as NotFound")
        if not cls.__doc__:
            raise TypeError(f"{cls.__qualname__} needs a docstring: it is the error's message")
        cls.reason = reason or _upper_snake(cls.__name__)
        cls._template = " ".join(inspect.cleandoc(cls.__doc__).split("\n\n")[0].split())
        known = _registry.get(cls.reason)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{cls.reason} is already {known.__module__}.{known.__qualname__}: one reason, one class")
        _registry[cls.reason] = cls

    def __init__(self, **facts: object) -> None:
        if not hasattr(type(self), "_template"):
            raise TypeError(f"{type(self).__name__} is a kind: raise a subclass that states the fact")
        self.metadata: dict[str, str] = {name: _text(value) for name, value in facts.items() if value is not None}
        missing = placeholders(self._template) - self.metadata.keys()
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(sorted(missing))}")
        self.message = self._template.format_map(self.metadata)
        super().__init__(self.message)

    @classmethod
    def restore(cls, message: str, metadata: dict[str, str]) -> Self:
        """The error as another process raised it: its message and metadata are taken as they are."""
        error = cls.__new__(cls)
        Exception.__init__(error, message)
        error.message = message
        error.metadata = dict(metadata)
        return error

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return restore_error, (self.kind, self.reason, self.message, self.metadata)


class NotFound(DomainError, kind=ErrorKind.NOT_FOUND):
    """What was named does not exist, or is not the caller's to see."""


class Invalid(DomainError, kind=ErrorKind.INVALID):
    """The request can never succeed as it is."""


class Conflict(DomainError, kind=ErrorKind.CONFLICT):
    """Somebody else changed it first; read again and retry."""


class Already(DomainError, kind=ErrorKind.ALREADY):
    """What was asked for has been done, or exists."""


class Denied(DomainError, kind=ErrorKind.DENIED):
    """The caller may not do this."""


class Unavailable(DomainError, kind=ErrorKind.UNAVAILABLE):
    """Something that is needed cannot be reached now; the outcome of a write may be unknown."""

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds after which it makes sense to try again; at least 1."""
        value = self.metadata.get("retry_after_seconds", "")
        return max(1, int(value)) if value.isdecimal() else 1


class Precondition(DomainError, kind=ErrorKind.PRECONDITION):
    """The state of things does not allow it; retrying changes nothing until that state does."""


class Exhausted(DomainError, kind=ErrorKind.EXHAUSTED):
    """A limit has been reached."""


class Unauthenticated(DomainError, kind=ErrorKind.UNAUTHENTICATED):
    """The caller has not shown who it is."""


class ServiceUnavailable(Unavailable):
    """The {service} service cannot be reached."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""


class BusUnavailable(Unavailable):
    """The event bus cannot be reached."""


class TransactionConflict(Conflict):
    """Another transaction changed the same rows; try again."""


class VersionConflict(Conflict):
    """It has changed to version {version} meanwhile; read it again."""


class LeaseLost(Conflict):
    """The lease on {key} is no longer held."""


class CallerUnknown(Unauthenticated):
    """The caller's certificate does not name a Tandem service."""


class CallerRefused(Denied):
    """The {caller} service may not call {method}."""


class FieldInvalid(Invalid):
    """{field}: {problem}"""


class NoVerifiedApiKeys(Precondition):
    """No verified API keys found"""


class PositionNotFound(NotFound):
    """Position {position_id} does not exist."""


class PositionAlreadyClosed(Already):
    """Position {position_id} is already closed."""


class TradingNotEnabled(Precondition):
    """Trading is not enabled for account {account_id}."""


class AccountNotFound(NotFound):
    """Account {account_id} does not exist."""


class LevelAlreadyCrossed(Precondition):
    """The price is {price} already, past the {level} at {level_price}: it would close the position at once."""


class PriceUnavailable(Unavailable):
    """{exchange} gives no current price for {symbol}; without one a level cannot be checked. Try again."""


class StopBeyondLiquidation(Precondition):
    """The stop at {stop} lies beyond the liquidation price {liquidation_price}: it would never be reached."""


class RequestIdReused(Invalid):
    """The request id {request_id} stands for another request of yours already; take a new one."""


class RemoteError(Exception):
    """Mixed into errors of another service whose class this process does not know: test `reason`, or catch the kind."""

    @classmethod
    def of(cls, kind: ErrorKind, reason: str, message: str, metadata: dict[str, str]) -> DomainError:
        """An error that is both a RemoteError and of that kind: `except NotFound` catches it."""
        error = _REMOTE[kind].restore(message, metadata)
        error.reason = reason
        return error


def _remote_class(base: type[DomainError]) -> type[DomainError]:
    name = f"Remote{base.__name__}"
    return type(name, (RemoteError, base), {"__doc__": base.__doc__, "__module__": __name__}, kind=base.kind)


_KINDS = (NotFound, Invalid, Conflict, Already, Denied, Unavailable, Precondition, Exhausted, Unauthenticated)
_REMOTE: dict[ErrorKind, type[DomainError]] = {base.kind: _remote_class(base) for base in _KINDS}


def restore_error(kind: ErrorKind, reason: str, message: str, metadata: dict[str, str]) -> DomainError:
    """The registered class of that reason where it is of that kind, else a RemoteError of the kind."""
    known = _registry.get(reason)
    if known is not None and known.kind is kind:
        return known.restore(message, metadata)
    return RemoteError.of(kind, reason, message, metadata)


def placeholders(template: str) -> set[str]:
    """The names of the facts that a message template needs."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return str(value.value)
    return str(value)
