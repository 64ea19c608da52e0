"""A trace follows a request over every border, and holds nothing that is secret."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from services.common import tracing
from services.common.outbox import OutboxEvent
from services.common.tracing import (
    TRACE_PARENT,
    add_trace_id,
    client_span,
    consumer_span,
    current_trace_parent,
    server_span,
    with_trace_parent,
)

_EXPORTER = InMemorySpanExporter()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is recorded; OpenTelemetry takes one provider a process, so it is installed once and stays."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(_EXPORTER))
        trace.set_tracer_provider(provider)
    _EXPORTER.clear()
    yield _EXPORTER
    _EXPORTER.clear()


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def trace_of(span: ReadableSpan) -> int:
    return context_of(span).trace_id


def test_a_call_is_in_the_trace_of_its_caller(spans: InMemorySpanExporter) -> None:
    with server_span("GET", {}):
        with client_span("positions.v1.PositionsService/GetPosition"):
            metadata = dict(with_trace_parent((("x-request-id", "r1"),)))
        assert metadata["x-request-id"] == "r1"
    with server_span("positions.v1.PositionsService/GetPosition", {TRACE_PARENT: str(metadata[TRACE_PARENT])}):
        pass
    client, outer, inner = spans.get_finished_spans()
    assert trace_of(inner) == trace_of(outer)
    assert inner.parent is not None
    assert inner.parent.span_id == context_of(client).span_id
    assert (client.kind, inner.kind) == (SpanKind.CLIENT, SpanKind.SERVER)


def test_an_event_carries_the_trace_in_which_it_was_written(spans: InMemorySpanExporter) -> None:
    with server_span("POST", {}):
        event = OutboxEvent("p1", 1, "positions.v1.position_closed.user", b"")
    with consumer_span(event.subject, event.trace_parent or ""):
        pass
    writer, handler = spans.get_finished_spans()
    assert trace_of(handler) == trace_of(writer)
    assert handler.name == "handle positions.v1.position_closed"


def test_what_is_written_outside_of_a_trace_carries_none(spans: InMemorySpanExporter) -> None:
    assert current_trace_parent() is None
    assert OutboxEvent("p1", 1, "positions.v1.position_closed.user", b"").trace_parent is None
    with consumer_span("positions.v1.position_closed.user", ""):
        pass
    assert spans.get_finished_spans()[0].parent is None


@pytest.mark.parametrize("nonsense", ["", "00", "zz-zz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_context_that_is_none_begins_a_trace_of_its_own(spans: InMemorySpanExporter, nonsense: str) -> None:
    with server_span("GET", {TRACE_PARENT: nonsense}):
        pass
    assert spans.get_finished_spans()[0].parent is None


def test_a_failure_is_told_without_its_text(spans: InMemorySpanExporter) -> None:
    def fail() -> None:
        with client_span("binance POST order"):
            raise ValueError("signature=abcdef")

    with pytest.raises(ValueError, match="signature"):
        fail()
    span = spans.get_finished_spans()[0]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert span.events == ()


def test_a_log_line_names_its_trace(spans: InMemorySpanExporter) -> None:
    assert add_trace_id(None, "", {"event": "x"}) == {"event": "x"}
    with server_span("GET", {}) as span:
        line = add_trace_id(None, "", {"event": "x"})
    assert line["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)
    assert spans.get_finished_spans()


def test_without_a_collector_nothing_is_configured() -> None:
    before = trace.get_tracer_provider()
    tracing.configure_tracing("positions", None, 1)
    assert trace.get_tracer_provider() is before
