"""Who is asking: JSON Web Tokens, signed with a secret that this process was given, or by keys that it fetches.

Invariants: a token counts only with our issuer and audience, an expiry that has not come, a subject and a known role;
the algorithm is said by the key and never by the token alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import jwt
import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from services.common.clock import Clock
from services.common.errors import Denied, Unauthenticated
from services.gateway.http.limits import RateLimits

ADMIN = "admin"
ROLES = frozenset({"user", ADMIN})
_CLAIMS = ["exp", "sub", "iss", "aud", "role"]
_SKEW_SECONDS = 5.0
_LONGEST_SUBJECT = 128
_LONGEST_TOKEN = 8192
_LONGEST_KEY_ID = 256
_MOST_KNOWN = 10_000


class MissingToken(Unauthenticated):
    """A token is needed: Authorization: Bearer <token>."""


class TokenExpired(Unauthenticated):
    """The token has expired."""


class InvalidToken(Unauthenticated):
    """The token is not valid."""


class AdminRequired(Denied):
    """This needs the role admin."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who has shown a token. `expires_at` is when that token ends."""

    user_id: str
    role: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that verifies signatures, and the one algorithm that it is for."""

    key: Any
    algorithm: str


class SigningKeys(Protocol):
    """The keys that tokens are signed with."""

    async def find(self, key_id: str | None) -> SigningKey | None:
        """The key of that id; None where there is none. Raises SigningKeysUnavailable."""
        ...


class Verifier(Protocol):
    """Turns a token into the caller that it names."""

    async def verify(self, token: str) -> Caller:
        """Raises TokenExpired, InvalidToken, SigningKeysUnavailable."""
        ...


class SharedSecret:
    """The one key of a secret that issuer and gateway share (HS256)."""

    def __init__(self, secret: SecretStr) -> None:
        self._key = SigningKey(secret.get_secret_value().encode(), "HS256")

    async def find(self, key_id: str | None) -> SigningKey | None:
        """The key, whatever id a token gives."""
        return self._key


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was verified with this key. It counts again while that is the key of that id, until it expires."""

    key_id: str | None
    key: SigningKey
    caller: Caller


class TokenVerifier:
    """Verifies tokens by the keys it is given. A signature is checked once for as long as its key is in force."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def verify(self, token: str) -> Caller:
        """The caller; raises TokenExpired, InvalidToken, SigningKeysUnavailable."""
        known = self._known.get(token)
        if known is not None and await self._keys.find(known.key_id) is known.key:
            if known.caller.expires_at <= self._clock.now():
                raise TokenExpired
            return known.caller
        if len(token) > _LONGEST_TOKEN:
            raise InvalidToken
        key_id = _key_id(token)
        key = await self._keys.find(key_id)
        if key is None:
            raise InvalidToken
        caller = self._caller(self._claims(token, key))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[token] = _Known(key_id, key, caller)
        return caller

    def _claims(self, token: str, key: SigningKey) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_SKEW_SECONDS,  # for nbf and iat; the expiry is ours to check, to the second
                options={"require": _CLAIMS, "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken from error
        return claims

    def _caller(self, claims: dict[str, Any]) -> Caller:
        subject, role = claims["sub"], claims["role"]
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
            raise InvalidToken
        if not isinstance(role, str) or role not in ROLES:
            raise InvalidToken
        expires_at = _instant(claims["exp"])
        if expires_at <= self._clock.now():
            raise TokenExpired
        return Caller(subject, role, expires_at)


class Authenticate:
    """A dependency of routes: the caller of the request, counted against the caller's limit.

    Raises MissingToken, TokenExpired, InvalidToken, SigningKeysUnavailable, RateLimited.
    """

    def __init__(self, verifier: Verifier, limits: RateLimits) -> None:
        self._verifier = verifier
        self._limits = limits

    async def __call__(
        self,
        request: Request,
        credentials: Annotated[
            HTTPAuthorizationCredentials | None,
            Security(HTTPBearer(auto_error=False, scheme_name="token", bearerFormat="JWT")),
        ],
    ) -> Caller:
        if credentials is None or not credentials.credentials:
            raise MissingToken
        return await self._count(request, credentials.credentials)

    async def of(self, request: Request) -> Caller:
        """The same for a route that reads its request itself."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise MissingToken
        return await self._count(request, token)

    async def _count(self, request: Request, token: str) -> Caller:
        caller = await self._verifier.verify(token)
        structlog.contextvars.bind_contextvars(user_id=caller.user_id)
        self._limits.take(request.scope, caller.user_id)
        return caller


def require_admin(authenticate: Authenticate) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency of routes: the caller, who has the role admin. Raises AdminRequired besides."""

    async def admin(caller: Annotated[Caller, Depends(authenticate)]) -> Caller:
        if caller.role != ADMIN:
            raise AdminRequired
        return caller

    return admin


def _key_id(token: str) -> str | None:
    """The key that a token says it was signed with. Raises InvalidToken where it is no token."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError as error:
        raise InvalidToken from error
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > _LONGEST_KEY_ID):
        raise InvalidToken
    return key_id


def _instant(seconds: object) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidToken
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidToken from error
