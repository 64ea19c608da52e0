"""Where a webhook may lead: to a public address over https, and nowhere else.

Invariant: a name is never trusted, only addresses are: each one that it resolves to must be public, and the connection
goes to one of those that were checked. With `loopback` (the local stack) loopback over http is taken as well.
"""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.common.errors import FieldInvalid

LONGEST_URL = 2048
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.ip_network("::/96")


class AddressNotPublic(Exception):
    """A webhook's host is, or resolves to, an address that is not a public one."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The host and port of a webhook's URL."""

    url: str
    secure: bool
    host: str
    port: int


def parse_url(url: str, *, loopback: bool) -> Destination:
    """Read a webhook's URL. Raises FieldInvalid for one that is not https (with `loopback`: or http)."""
    if not url or len(url) > LONGEST_URL:
        raise FieldInvalid(field="url", problem=f"is empty, or longer than {LONGEST_URL} characters")
    if not url.isascii() or any(character <= " " or character in "\\\x7f" for character in url):
        raise FieldInvalid(field="url", problem="holds a character that is not allowed")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FieldInvalid(field="url", problem="is not a URL") from None
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        raise FieldInvalid(field="url", problem="does not begin with https://")
    if not host or parts.username is not None or parts.password is not None or port == 0:
        raise FieldInvalid(field="url", problem="has no host, or a user in it")
    secure = parts.scheme == "https"
    return Destination(url, secure, host, port or (443 if secure else 80))


def check_addresses(destination: Destination, addresses: Collection[str], *, loopback: bool) -> None:
    """Raises AddressNotPublic unless each address of a destination may be connected to."""
    if not addresses:
        raise AddressNotPublic("the host has no address")
    for text in addresses:
        address = ipaddress.ip_address(text)
        if loopback and address.is_loopback:
            continue
        if not destination.secure:
            raise AddressNotPublic("http is for loopback alone")
        if not is_public(address):
            raise AddressNotPublic("the host is not at a public address")


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one host in the public internet, by itself and not by way of another address in it."""
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped is not None
        or address.sixtofour is not None
        or address.teredo is not None
        or address.is_site_local
        or address in _COMPATIBLE
        or any(address in network for network in _TRANSLATED)
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
