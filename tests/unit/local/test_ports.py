"""Ports are chosen so that two stacks do not meet on one."""

import socket
import sys

import pytest

from deploy.local.ports import FIRST_PORT, LAST_PORT, LOOPBACK, choose_port, is_free, refusal, reserve


def test_a_chosen_port_is_free_and_not_one_given_away() -> None:
    port = choose_port()
    assert is_free(port)
    assert choose_port(frozenset({port})) != port


def test_a_taken_port_is_said_to_be_taken() -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert refusal(port) == f"port {port} is taken by another program"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no two sockets share an address")
def test_a_reserved_port_is_left_to_its_server() -> None:
    port = choose_port()
    other = choose_port(frozenset({port}))
    everything_else = frozenset(range(FIRST_PORT, LAST_PORT + 1)) - {port, other}
    holder = reserve(port)
    assert holder is not None
    with holder:
        assert choose_port(everything_else) == other
        with socket.create_server((LOOPBACK, port)) as server:
            assert server.getsockname()[1] == port
    assert is_free(port)
