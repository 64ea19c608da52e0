"""`python -m deploy.sandbox.relay`: brings the sandbox to the loopback of another container.

The sandbox listens on loopback only, and services are redirected to loopback only. Where each has a network of its own,
as in containers, one relay beside the sandbox and one beside each service that reads it carry the bytes between them.
"""

import argparse
import asyncio
import contextlib
import signal
import sys

CHUNK_BYTES = 64 * 1024


def address(text: str) -> tuple[str, int]:
    """Host and port of "host:port"; argparse turns its ValueError into a line for the person."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ValueError("expected host:port")
    return host, int(port)


async def relay(listen: tuple[str, int], target: tuple[str, int]) -> asyncio.Server:
    """Start carrying each connection to the target; close the server to stop. OSError where it cannot listen."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*target)
        except OSError:
            # The sandbox is away: whoever asked sees a closed connection, as from a venue that is away.
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()

    return await asyncio.start_server(carry, *listen)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        # Only this direction has ended.
        writer.write_eof()


async def _serve(listen: tuple[str, int], target: tuple[str, int]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await relay(listen, target)
    await stop.wait()
    server.close()


def main(arguments: list[str]) -> int:
    """Relay until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.sandbox.relay", description="Carries connections to the sandbox of another container."
    )
    parser.add_argument("--listen", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--to", type=address, required=True, metavar="HOST:PORT", dest="target")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(options.listen, options.target))
    except OSError as error:
        host, port = options.listen
        sys.stderr.write(f"relay: {host}:{port} cannot be used: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
