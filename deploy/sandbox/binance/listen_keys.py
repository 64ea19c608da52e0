"""Listen keys of the user-data streams: one an account, good for an hour, renewed by asking again.

They live in memory only: a venue that restarts has dropped its streams, and clients ask anew.
"""

import secrets
import string
from collections.abc import Callable

LIFE_MS = 3_600_000
ALPHABET = string.ascii_letters + string.digits


class ListenKeys:
    """Listen keys by account id. `expired` is told (account id, listen key) when one is no more."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._keys: dict[str, tuple[str, int]] = {}
        self.expired: Callable[[str, str], None] = lambda _account_id, _listen_key: None

    def open(self, account_id: str) -> str:
        """The account's listen key, extended; a new one where it has none."""
        held = self.extend(account_id)
        if held is not None:
            return held
        listen_key = "".join(secrets.choice(ALPHABET) for _ in range(64))
        self._keys[account_id] = (listen_key, self._now_ms() + LIFE_MS)
        return listen_key

    def extend(self, account_id: str) -> str | None:
        """The account's listen key with a new hour, None where it has none."""
        held = self._keys.get(account_id)
        if held is None:
            return None
        self._keys[account_id] = (held[0], self._now_ms() + LIFE_MS)
        return held[0]

    def close(self, account_id: str) -> None:
        self._keys.pop(account_id, None)

    def account_of(self, listen_key: str) -> str | None:
        return next((account for account, (key, _) in self._keys.items() if key == listen_key), None)

    def expire(self, account_id: str | None = None) -> None:
        """Expire keys whose hour is over; with an account id that account's, whatever its hour."""
        now_ms = self._now_ms()
        for account, (listen_key, until_ms) in list(self._keys.items()):
            if account == account_id or (account_id is None and until_ms <= now_ms):
                del self._keys[account]
                self.expired(account, listen_key)
