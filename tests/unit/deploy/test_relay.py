"""The relay carries bytes both ways, and a target that is away closes the connection."""

import asyncio

import pytest

from deploy.local.ports import choose_port
from deploy.sandbox.relay import address, relay


async def test_what_is_sent_comes_back_from_the_target() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as target:
        far = target.sockets[0].getsockname()[1]
        async with await relay(("127.0.0.1", 0), ("127.0.0.1", far)) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
            writer.write(b"mark price")
            writer.write_eof()
            assert await reader.read() == b"MARK PRICE"
            writer.close()


async def test_a_target_that_is_away_ends_the_connection() -> None:
    async with await relay(("127.0.0.1", 0), ("127.0.0.1", choose_port())) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("text", ["", "8787", ":8787", "host:", "host:port"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        address(text)
