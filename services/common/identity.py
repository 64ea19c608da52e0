"""Who is calling, by certificate, and what it may call.

Invariants: identity is the one URI name spiffe://tandem/<service> of the peer's certificate, which the TLS handshake
has verified; a method that the access table does not name is refused; health and reflection answer any Tandem
identity.
"""

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from services.common.errors import CallerRefused, CallerUnknown

TRUST_DOMAIN = "spiffe://tandem/"
_SAN_PROPERTY = "x509_subject_alternative_name"
_IDENTITY = re.compile(rf"{re.escape(TRUST_DOMAIN)}(?P<service>[a-z][a-z0-9-]{{0,62}})")
_OPEN_SERVICES = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
)

AccessTable = Mapping[str, frozenset[str]]
"""Callers by "package.Service/Method" or "package.Service"; the narrower entry decides."""


@dataclass(frozen=True)
class Peer:
    """The service at the other end of a call."""

    service: str


_current: ContextVar[Peer] = ContextVar("tandem_peer")


def current_peer() -> Peer:
    """The caller of the RPC that is being answered; LookupError outside one."""
    return _current.get()


def set_current_peer(peer: Peer) -> None:
    """For the server's interceptor, and for tests of servicers without a server."""
    _current.set(peer)


def identify(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """The peer of a verified TLS connection; CallerUnknown unless its certificate names exactly one Tandem service."""
    names = [name for name in auth_context.get(_SAN_PROPERTY, ()) if name.startswith(b"spiffe://")]
    if len(names) == 1:
        match = _IDENTITY.fullmatch(names[0].decode("ascii", "replace"))
        if match:
            return Peer(match["service"])
    raise CallerUnknown


def authorize(access: AccessTable, method: str, peer: Peer) -> None:
    """CallerRefused unless the table lets `peer` call `method` ("/package.Service/Method")."""
    name = method.removeprefix("/")
    service = name.partition("/")[0]
    if service in _OPEN_SERVICES:
        return
    if peer.service not in access.get(name, access.get(service, frozenset())):
        raise CallerRefused(caller=peer.service, method=name)
