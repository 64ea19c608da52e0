"""Traces: one from a request through every service that it reaches, to the exchange call and through NATS.

Spans are OpenTelemetry's; a context travels as W3C trace context in HTTP headers, gRPC metadata and NATS headers, and
beside an event in the outbox. Invariants: where no collector is configured nothing is recorded and nothing is sent; a
span never holds a secret, a payload, or the query of an address; a collector that is away delays nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from structlog.typing import EventDict, WrappedLogger

TRACE_PARENT = "traceparent"

_tracer = trace.get_tracer("tandem")


def configure_tracing(service: str, endpoint: str | None, sample_ratio: float) -> None:
    """Send this process's spans to a collector (OTLP over gRPC, http://host:port) in the background; None: nowhere.

    `sample_ratio`: which part of the traces that begin here is kept, from 0 to 1; a caller's choice is respected.
    """
    if endpoint is None:
        return
    # The SDK takes a tenth of a second to import, which a process without a collector need not spend.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.namespace": "tandem"}),
        sampler=ParentBasedTraceIdRatio(sample_ratio),
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def flush_traces() -> None:
    """Send what is still held; at the end of a process."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


@contextmanager
def server_span(name: str, carrier: Mapping[str, str], **attributes: str | int) -> Iterator[Span]:
    """A request that is answered here; the carrier holds the caller's context, if it has one."""
    with _span(name, SpanKind.SERVER, attributes, carrier) as span:
        yield span


@contextmanager
def client_span(name: str, **attributes: str | int) -> Iterator[Span]:
    """A request that is made from here."""
    with _span(name, SpanKind.CLIENT, attributes) as span:
        yield span


@contextmanager
def consumer_span(subject: str, trace_parent: str) -> Iterator[Span]:
    """A fact that is handled here, in the trace in which it was written."""
    carrier = {TRACE_PARENT: trace_parent} if trace_parent else {}
    with _span(f"handle {fact_of(subject)}", SpanKind.CONSUMER, {"messaging.system": "nats"}, carrier) as span:
        yield span


def current_trace_parent() -> str | None:
    """The context that something written now should carry; None outside of a trace that is kept."""
    if not trace.get_current_span().get_span_context().trace_flags.sampled:
        return None
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get(TRACE_PARENT)


def with_trace_parent(metadata: Sequence[tuple[str, str | bytes]]) -> tuple[tuple[str, str | bytes], ...]:
    """gRPC metadata that carries the context, where there is one."""
    parent = current_trace_parent()
    return (*metadata, (TRACE_PARENT, parent)) if parent else tuple(metadata)


def add_trace_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A structlog processor: the id by which a line's trace is found."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
    return event


def fact_of(subject: str) -> str:
    """A subject without its user: spans are named by what is alike, never by whom it is about."""
    return subject.rpartition(".")[0]


@contextmanager
def _span(
    name: str, kind: SpanKind, attributes: Mapping[str, Any], carrier: Mapping[str, str] | None = None
) -> Iterator[Span]:
    context = None if carrier is None else propagate.extract(carrier)
    # An exception's text may quote what was sent: its type alone is kept.
    with _tracer.start_as_current_span(
        name, context, kind, dict(attributes), record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
