"""One connection of the public port: how long a request may take to arrive, and how long its head may be.

Invariants: a request has arrived whole within its time or its connection is closed, so that nobody holds connections
with what never comes; a head that grows without end is refused while it is still small. What a request waits for once
it has arrived, and a socket that it became, are none of this module's.
"""

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ARRIVAL_SECONDS = 20.0
LARGEST_HEAD_BYTES = 64 * 1024


class BoundedRequests(HttpToolsProtocol):
    """uvicorn's protocol, which by itself waits for ever and holds whatever comes."""

    def __init__(self, *arguments: Any, arrival_seconds: float = ARRIVAL_SECONDS, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._arrival_seconds = arrival_seconds
        self._arrival: TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may hold at most {LARGEST_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._await_arrival()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def _await_arrival(self) -> None:
        self._arrived()
        self._arrival = self.loop.call_later(self._arrival_seconds, self._give_up)

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _give_up(self) -> None:
        if self.flow.read_paused:
            self._await_arrival()  # it is we who do not read: another is being answered, or nobody takes the body
        elif not self.transport.is_closing():
            self.transport.close()
