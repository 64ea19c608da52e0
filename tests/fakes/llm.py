"""An OpenAI-compatible endpoint on this machine, with the shapes of OpenAI's own answers.

What it answers is up to the test: `say` for a completion of some text, `fail` for an error, anything else as it is.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Json = Any
Reply = Callable[[Json], web.StreamResponse | Awaitable[web.StreamResponse]]


def advice(action: str = "HOLD", price: float | None = None, confidence: int = 60, **more: Any) -> str:
    """An answer as the schema wants it."""
    return json.dumps(
        {"action": action, "price": price, "reason": "as told", "urgency": "low", "confidence": confidence, **more}
    )


def say(
    content: str | None, *, refusal: str | None = None, finish_reason: str = "stop", usage: bool = True
) -> web.Response:
    """A chat completion."""
    document: dict[str, Any] = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-mini-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal, "annotations": []},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "service_tier": "default",
        "system_fingerprint": None,
    }
    if usage:
        document["usage"] = {
            "prompt_tokens": 400,
            "completion_tokens": 50,
            "total_tokens": 450,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }
    return web.json_response(document)


def fail(status: int, code: str = "server_error", **headers: str) -> web.Response:
    """An error as OpenAI words it."""
    error = {"message": "The server had an error.", "type": code, "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


class LlmStub:
    """`reply` makes each answer of a request; `requests` are those that came."""

    def __init__(self) -> None:
        self.reply: Reply = lambda _: say(advice())
        self.requests: list[Json] = []
        self.keys: list[str] = []
        self.url = ""
        self.open = 0
        self.most_open = 0

    def prompt(self, place: int = -1) -> str:
        """All that a request said."""
        return "\n".join(message["content"] for message in self.requests[place]["messages"])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            answer = self.reply(body)
            return answer if isinstance(answer, web.StreamResponse) else await answer
        finally:
            self.open -= 1


@asynccontextmanager
async def running_llm() -> AsyncIterator[LlmStub]:
    """One that listens on loopback for as long as the block lasts."""
    stub = LlmStub()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", stub.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield stub
    finally:
        await runner.cleanup()


async def never(_: Json) -> web.StreamResponse:
    """An answer that does not come."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
