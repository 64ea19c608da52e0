"""Page tokens: where a page ended, as a text that means nothing to its reader."""

import base64
import binascii
from datetime import datetime

from services.positions.domain.errors import InvalidPageToken


def token_of(*parts: str) -> str:
    """The token of a place."""
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode()


def parts_of(token: str, count: int) -> list[str]:
    """The place of a token that has so many parts. Raises InvalidPageToken."""
    try:
        parts = base64.urlsafe_b64decode(token.encode()).decode().split("\n")
    except (ValueError, binascii.Error):
        raise InvalidPageToken from None
    if len(parts) != count or "\0" in token or any("\0" in part for part in parts):
        raise InvalidPageToken
    return parts


def moment_of(text: str) -> datetime:
    """The moment in a part of a token. Raises InvalidPageToken."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidPageToken from None
    if moment.tzinfo is None:
        raise InvalidPageToken
    return moment


def number_in(text: str) -> int:
    """The count in a part of a token. Raises InvalidPageToken."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidPageToken
    return int(text)
