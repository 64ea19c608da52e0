"""Signing keys that are published at an address (JSON Web Key Set, RFC 7517), with rotation.

Invariants: a key is good for one algorithm, that of its kind (RSA: RS256, P-256: ES256), and for signatures alone; an
id that is not known asks the address once more, and however many such tokens come, no more often than the spacing
allows; keys that were fetched stay good while the address cannot be reached, but not for ever, and whether there is
another one is not known then; while it hangs one request waits for it and no more.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.common.clock import Clock
from services.common.errors import Unavailable
from services.gateway.http.identity import SigningKey

_log = structlog.get_logger(__name__)

_TIMEOUT_SECONDS = 5.0
_LARGEST_BYTES = 256 * 1024
_MOST_KEYS = 64
_SMALLEST_RSA_BITS = 2048


class SigningKeysUnavailable(Unavailable):
    """The keys that tokens are signed with cannot be had now."""


class KeySource(Protocol):
    """Where a key set is published."""

    async def fetch(self) -> object:
        """The document there. Raises KeySetUnreadable."""
        ...


class KeySetUnreadable(Exception):
    """The address gave no key set: the reason."""


class HttpKeySource:
    """A key set behind an address."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def fetch(self) -> object:
        """The document there. Raises KeySetUnreadable."""
        try:
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                httpx.AsyncClient(follow_redirects=False, timeout=_TIMEOUT_SECONDS) as client,
                client.stream("GET", self._url, headers={"Accept": "application/json"}) as answer,
            ):
                answer.raise_for_status()
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST_BYTES:
                        raise KeySetUnreadable(f"more than {_LARGEST_BYTES} bytes")
            return httpx.Response(200, content=body).json()
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            raise KeySetUnreadable(f"{type(error).__name__}: {error}") from error


class PublishedKeys:
    """The keys of a key set, kept for a while. One fetch at a time, whoever waits."""

    def __init__(
        self, source: KeySource, clock: Clock, *, fresh_seconds: float, spacing_seconds: float, stale_seconds: float
    ) -> None:
        self._source = source
        self._clock = clock
        self._fresh = timedelta(seconds=fresh_seconds)
        self._spacing = timedelta(seconds=spacing_seconds)
        self._stale = timedelta(seconds=stale_seconds)
        self._keys: dict[str | None, SigningKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._away = False
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> SigningKey | None:
        """The key of that id; None where there is none. Raises SigningKeysUnavailable."""
        known = key_id in self._keys
        # Whoever holds the lock asks already, and the address may hang: a key that is known need not wait for it.
        if not (known and (self._is_younger_than(self._fresh) or self._lock.locked())):
            await self._refresh(key_id)
        key = self._keys.get(key_id)
        # A key that is not known may have come since the address could be reached: its token is not said to be bad.
        if not self._is_younger_than(self._stale) or (key is None and self._away):
            raise SigningKeysUnavailable
        return key

    async def _refresh(self, key_id: str | None) -> None:
        async with self._lock:
            if self._is_younger_than(self._fresh) and key_id in self._keys:
                return  # whoever held the lock has fetched it
            now = self._clock.now()
            if self._tried_at is not None and now - self._tried_at < self._spacing:
                return
            self._tried_at = now
            try:
                keys = read_keys(await self._source.fetch())
            except KeySetUnreadable as error:
                _log.warning("signing keys were not fetched", error=str(error))
                self._away = True
                return
            self._away = False
            # A key that has not changed stays the same object: tokens that it has verified need not be verified again.
            self._keys = {
                key_id: old if (old := self._keys.get(key_id)) is not None and _same(old, key) else key
                for key_id, key in keys.items()
            }
            self._fetched_at = now

    def _is_younger_than(self, age: timedelta) -> bool:
        return self._fetched_at is not None and self._clock.now() - self._fetched_at < age


def read_keys(document: object) -> dict[str | None, SigningKey]:
    """The keys of a key set that can verify tokens, by id; a lone key counts without an id too. KeySetUnreadable."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise KeySetUnreadable(f"not a key set of at most {_MOST_KEYS} keys")
    keys: dict[str | None, SigningKey] = {}
    for entry in entries:
        key = _read_key(entry)
        if key is not None and isinstance(entry, dict) and isinstance(entry.get("kid"), str | None):
            keys[entry.get("kid")] = key
    if not keys:
        raise KeySetUnreadable("no key in it is for RS256 or ES256 signatures")
    if len(keys) == 1:
        keys.setdefault(None, next(iter(keys.values())))
    return keys


def _same(one: SigningKey, other: SigningKey) -> bool:
    return one.algorithm == other.algorithm and bool(one.key.public_numbers() == other.key.public_numbers())


def _read_key(entry: Any) -> SigningKey | None:
    """A key for signatures of a kind that we take; None for any other."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    algorithm = {"RSA": "RS256", "EC": "ES256"}.get(str(entry.get("kty")))
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    if algorithm == "ES256" and entry.get("crv") != "P-256":
        return None
    public = {name: value for name, value in entry.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        key = jwt.PyJWK(public, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _SMALLEST_RSA_BITS:
        return None
    return SigningKey(key, algorithm)
