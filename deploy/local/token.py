"""Tokens for people and scripts on this machine, signed with the stack's own secret."""

from datetime import datetime, timedelta
from typing import Literal

import jwt

ISSUER = "tandem"
AUDIENCE = "tandem"
LIFETIME = timedelta(days=30)

Role = Literal["user", "admin"]


def mint_token(secret: str, user_id: str, role: Role, now: datetime, lifetime: timedelta = LIFETIME) -> str:
    """Return a JWT (HS256) for this user. `now` is aware UTC."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "role": role, "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm="HS256")
