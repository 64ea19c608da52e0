"""Ports on loopback.

Chosen below the range from which systems take the ports of outgoing connections, so that a port which is free while
its process is being restarted stays free. On Linux a stack reserves its ports as well: whoever chooses one meanwhile
passes them over, also before their processes listen.
"""

import errno
import secrets
import socket
import sys

LOOPBACK = "127.0.0.1"
FIRST_PORT = 20_000
LAST_PORT = 31_999


def refusal(port: int, host: str = LOOPBACK) -> str | None:
    """Say why no server can listen on this port now; None where one can."""
    with _open(host) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} is taken by another program"
            return f"port {port} of {host} cannot be used ({error.strerror})"
        return None


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on this port now."""
    return refusal(port, host) is None


def choose_port(taken: frozenset[int] = frozenset()) -> int:
    """Return a port that nobody uses or has reserved, and that is not among those already given away."""
    while True:
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1)
        if port not in taken and _is_unused(port):
            return port


def reserve(port: int, host: str = LOOPBACK) -> socket.socket | None:
    """Keep `choose_port` of other processes from this port until the socket is closed; a server can still listen there.

    None where the system does not let two sockets share an address, or the port is taken.
    """
    if sys.platform != "linux":
        return None
    holder = _open(host)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((host, port))
    except OSError:
        holder.close()
        return None
    return holder


def _is_unused(port: int) -> bool:
    """Tell whether no socket at all is bound to this port: unlike a server's, this one shares with nobody."""
    with _open(LOOPBACK) as single:
        try:
            single.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _open(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
