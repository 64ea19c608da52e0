"""Who is asking: JSON Web Tokens, signed HS256 with a secret that this process was given.

Invariants: a token counts only with our issuer and audience, an expiry that has not come, a subject and a known role;
the algorithm is ours to say and never the token's.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import jwt
from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from services.common.clock import Clock
from services.common.errors import Unauthenticated

ROLES = frozenset({"user", "admin"})
_CLAIMS = ["exp", "sub", "iss", "aud", "role"]
_SKEW_SECONDS = 5.0
_LONGEST_SUBJECT = 128
_LONGEST_TOKEN = 8192


class MissingToken(Unauthenticated):
    """A token is needed: Authorization: Bearer <token>."""


class TokenExpired(Unauthenticated):
    """The token has expired."""


class InvalidToken(Unauthenticated):
    """The token is not valid."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who has shown a token. `expires_at` is when that token ends."""

    user_id: str
    role: str
    expires_at: datetime


class Verifier(Protocol):
    """Turns a token into the caller that it names."""

    def verify(self, token: str) -> Caller:
        """Raises TokenExpired or InvalidToken."""
        ...


class SharedSecretVerifier:
    """Verifies tokens that were signed with a shared secret (HS256)."""

    def __init__(self, secret: SecretStr, *, issuer: str, audience: str, clock: Clock) -> None:
        self._secret = secret.get_secret_value().encode()
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def verify(self, token: str) -> Caller:
        """The caller; raises TokenExpired or InvalidToken."""
        if len(token) > _LONGEST_TOKEN:
            raise InvalidToken
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_SKEW_SECONDS,  # for nbf and iat; the expiry is ours to check, to the second
                options={"require": _CLAIMS, "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken from error
        return self._caller(claims)

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
    """A dependency of routes: the caller of the request. Raises MissingToken, TokenExpired or InvalidToken."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def __call__(
        self,
        credentials: Annotated[
            HTTPAuthorizationCredentials | None,
            Security(HTTPBearer(auto_error=False, scheme_name="token", bearerFormat="JWT")),
        ],
    ) -> Caller:
        if credentials is None or not credentials.credentials:
            raise MissingToken
        return self._verifier.verify(credentials.credentials)


def _instant(seconds: object) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidToken
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidToken from error
