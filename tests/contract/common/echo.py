"""A gRPC service of four methods without a .proto: each kind of method, on google's wrapper messages."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from services.common.errors import PositionNotFound
from services.common.identity import current_peer

SERVICE = "test.v1.Echo"


class Echo:
    """Answers by what it is asked: "caller", "connection", "absent", "broken", "abort", "hang", else the same again."""

    def __init__(self) -> None:
        self.hanging = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def Say(self, request: StringValue, context: grpc.aio.ServicerContext[Any, Any]) -> StringValue:  # noqa: N802
        match request.value:
            case "caller":
                return StringValue(value=current_peer().service)
            case "connection":
                return StringValue(value=context.peer())
            case "absent":
                raise PositionNotFound(position_id="OP_1_1", price=Decimal("1.50"))
            case "broken":
                raise RuntimeError("password=hunter2 in an internal message")
            case "abort":
                await context.abort(grpc.StatusCode.OUT_OF_RANGE, "by hand")
            case "hang":
                self.hanging.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled.set()
        return request

    async def Count(  # noqa: N802
        self, request: StringValue, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[StringValue]:
        try:
            for number in range(3):
                yield StringValue(value=str(number))
            if request.value == "absent":
                raise PositionNotFound(position_id="OP_1_1")
            if request.value == "broken":
                raise RuntimeError("internal")
            if request.value == "hang":
                await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def Sum(  # noqa: N802
        self, requests: AsyncIterator[StringValue], context: grpc.aio.ServicerContext[Any, Any]
    ) -> StringValue:
        return StringValue(value="".join([request.value async for request in requests]))

    async def Chat(  # noqa: N802
        self, requests: AsyncIterator[StringValue], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        async for request in requests:
            await context.write(request)


def add_to_server(servicer: Any, server: Any) -> None:
    """What generated code calls add_EchoServicer_to_server."""
    codec: Any = {"request_deserializer": StringValue.FromString, "response_serializer": StringValue.SerializeToString}
    handlers: Any = {
        "Say": grpc.unary_unary_rpc_method_handler(servicer.Say, **codec),
        "Count": grpc.unary_stream_rpc_method_handler(servicer.Count, **codec),
        "Sum": grpc.stream_unary_rpc_method_handler(servicer.Sum, **codec),
        "Chat": grpc.stream_stream_rpc_method_handler(servicer.Chat, **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


class EchoStub:
    """What generated code calls EchoStub."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        codec: Any = {"request_serializer": StringValue.SerializeToString}
        codec["response_deserializer"] = StringValue.FromString
        self.Say: Any = channel.unary_unary(f"/{SERVICE}/Say", **codec)
        self.Count: Any = channel.unary_stream(f"/{SERVICE}/Count", **codec)
        self.Sum: Any = channel.stream_unary(f"/{SERVICE}/Sum", **codec)
        self.Chat: Any = channel.stream_stream(f"/{SERVICE}/Chat", **codec)
        self.Absent: Any = channel.unary_unary(f"/{SERVICE}/Absent", **codec)
