"""A collector of traces, for tests: it speaks OTLP over gRPC and keeps what it is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

DEADLINE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it was sent: whose it is, its name, and where it hangs."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]


class Collector(TraceServiceServicer):
    """Keeps every span; `endpoint` is where to send them."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[SeenSpan] = []
        self._news = asyncio.Condition()

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - as OTLP names it
        for resource in request.resource_spans:
            told = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        SeenSpan(
                            told["service.name"],
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            {entry.key: entry.value.string_value for entry in span.attributes},
                        )
                    )
        async with self._news:
            self._news.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    async def trace(self, trace_id: str, whole: Callable[[list[SeenSpan]], bool]) -> list[SeenSpan]:
        """The spans of a trace, once they are all there. AssertionError with what there is, at the deadline."""

        def seen() -> list[SeenSpan]:
            return [span for span in self.spans if span.trace_id == trace_id]

        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._news:
                await self._news.wait_for(lambda: whole(seen()))
        except TimeoutError:
            told = "\n".join(f"{span.service}: {span.name}" for span in seen())
            raise AssertionError(f"the trace did not become whole; it has:\n{told}") from None
        return seen()


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    """A collector on loopback for as long as the block lasts."""
    server, collector = grpc.aio.server(), Collector()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)
