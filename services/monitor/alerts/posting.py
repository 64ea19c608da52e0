"""Posts one message to a webhook.

Invariants: the connection goes to an address that was resolved and checked a moment before, and to no other; TLS and
the Host header speak to the name; no redirect is followed; neither time nor what is read of an answer is without bound.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from services.common.clock import Clock
from services.common.errors import FieldInvalid
from services.monitor.alerts.webhooks import Due, Resolve
from services.monitor.domain.alerts.delivery import sign
from services.monitor.domain.alerts.destination import AddressNotPublic, Destination, check_addresses, parse_url

_GONE = 410
_LONGEST_ANSWER_LINE = 4096


@dataclass(frozen=True, slots=True)
class Posted:
    """How it went: the HTTP status, or what went wrong. `hopeless`: to try again would not help."""

    result: str
    delivered: bool = False
    hopeless: bool = False


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]).partition("%")[0] for entry in found})


class _Pinned(AbstractResolver):
    """Answers with addresses that were checked, whatever the name resolves to by now."""

    def __init__(self, host: str, addresses: list[str]) -> None:
        self._host = host
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != self._host:
            raise OSError(f"not the host that was checked: {host}")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


class Poster:
    """Posts over connections of their own. `tls` is made once: reading the system's authorities is slow."""

    def __init__(
        self,
        clock: Clock,
        resolve: Resolve,
        *,
        loopback: bool,
        timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._resolve = resolve
        self._loopback = loopback
        self._timeout_seconds = timeout_seconds
        self._tls = tls or ssl.create_default_context()

    async def post(self, due: Due) -> Posted:
        """Attempt a delivery once; never raises for what the receiver does."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                destination = parse_url(due.url, loopback=self._loopback)
                addresses = await self._resolve(destination.host, destination.port)
                check_addresses(destination, addresses, loopback=self._loopback)
                return await self._post(due, destination, addresses)
        except TimeoutError:
            return Posted(f"no answer within {self._timeout_seconds:g} s")
        except AddressNotPublic as error:
            return Posted(str(error))
        except FieldInvalid as error:
            return Posted(error.message, hopeless=True)
        except aiohttp.ClientConnectorCertificateError:
            return Posted("the receiver's certificate is not valid")
        except (aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
            return Posted(f"no connection: {type(error).__name__}")

    async def _post(self, due: Due, destination: Destination, addresses: list[str]) -> Posted:
        body = due.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Tandem-Webhook/1",
            "X-Tandem-Event-Id": str(due.event_id),
            "X-Tandem-Signature": sign(due.secret, body, self._clock.now()),
        }
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(destination.host, addresses), use_dns_cache=False, force_close=True, ssl=self._tls
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_LONGEST_ANSWER_LINE,
                max_field_size=_LONGEST_ANSWER_LINE,
            ) as session,
            # The body of the answer is never read.
            session.post(destination.url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            status = answer.status
        return Posted(f"HTTP {status}", delivered=200 <= status < 300, hopeless=status == _GONE)
