"""Hints from an account's private stream. A hint prompts a reading; it is never itself evidence of anything."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HintKind(StrEnum):
    POSITION = "position"
    ORDER = "order"
    FILL = "fill"
    ACCOUNT = "account"
    """Balance, leverage or another setting."""
    RESYNC = "resync"
    """The stream has just begun, or begun again: whatever happened before went unheard."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Something may have changed about a symbol, or about the whole account where `symbol` is None."""

    kind: HintKind
    symbol: str | None
    received_at: datetime


OnHint = Callable[[Hint], None]
"""Called for each hint as it arrives; it must be quick and may not block."""
