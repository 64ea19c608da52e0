"""Sends ccxt's requests for known venue hosts to one loopback server instead.

Invariants: a host that is not in the table is refused before anything leaves the process, and the
target is always a loopback address, so a session of this kind can never reach a real venue.

Pass an instance as ccxt's ``session``. URLs inside ccxt stay those of the venue, which matters: ccxt
chooses Binance's error table by the URL's prefix. ccxt does not own (and so does not close) a session
that it was given: whoever made the session closes it.
"""

from ipaddress import ip_address
from typing import Any

import aiohttp
import yarl

VENUE_HOSTS: frozenset[str] = frozenset(
    {"api.binance.com", "fapi.binance.com", "fstream.binance.com", "api.bybit.com", "stream.bybit.com"}
)
_STAY = {"allow_redirects": False}
"""An answer that points elsewhere would be followed by the wrapped session, past the table."""


class RedirectRefused(Exception):
    """The URL's host may not be reached through a redirecting session."""

    def __init__(self, host: str | None, reason: str) -> None:
        # Only the host: a signed URL carries the signature and sometimes the key.
        super().__init__(f"{host or 'a URL without host'}: {reason}")
        self.host = host


def is_loopback(host: str | None) -> bool:
    """Whether the name can only mean this machine (``localhost`` or a loopback address)."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class RedirectingSession:
    """An aiohttp session whose requests for `hosts` go to `base_url` (http, loopback).

    Raises RedirectRefused: at construction for a base URL that is not loopback, at a call for a host
    that is not in `hosts`. Everything but the calls below is the wrapped session's own.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str, hosts: frozenset[str] = VENUE_HOSTS) -> None:
        base = yarl.URL(base_url)
        if not is_loopback(base.host):
            raise RedirectRefused(base.host, "only a loopback address may stand in for a venue")
        self._session = session
        self._base = base
        self._hosts = hosts

    def _rewrite(self, url: str | yarl.URL) -> yarl.URL:
        # encoded=True: the venue checks the signature over the query exactly as it was written.
        parsed = url if isinstance(url, yarl.URL) else yarl.URL(url, encoded=True)
        if parsed.host not in self._hosts:
            raise RedirectRefused(parsed.host, "not a venue host that this session redirects")
        secure = self._base.scheme in ("https", "wss")
        web_socket = parsed.scheme in ("ws", "wss")
        scheme = ("wss" if secure else "ws") if web_socket else ("https" if secure else "http")
        return yarl.URL.build(
            scheme=scheme,
            host=self._base.host or "",
            port=self._base.port,
            path=parsed.raw_path,
            query_string=parsed.raw_query_string,
            encoded=True,
        )

    def get(self, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.get(self._rewrite(url), **{**options, **_STAY})

    def post(self, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.post(self._rewrite(url), **{**options, **_STAY})

    def put(self, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.put(self._rewrite(url), **{**options, **_STAY})

    def patch(self, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.patch(self._rewrite(url), **{**options, **_STAY})

    def delete(self, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.delete(self._rewrite(url), **{**options, **_STAY})

    def request(self, method: str, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.request(method, self._rewrite(url), **{**options, **_STAY})

    def ws_connect(self, url: str | yarl.URL, **options: Any) -> Any:
        return self._session.ws_connect(self._rewrite(url), **options)

    def __getattr__(self, name: str) -> Any:
        # Only what is not defined above. The other ways to send are refused: they would not be rewritten.
        if name in ("head", "options") or name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._session, name)
