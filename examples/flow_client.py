"""Runs a flow against Tandem to its end: opens a position, follows its life over the WebSocket, tells its timeline.

    make run                                  # in another terminal
    .venv/bin/python examples/flow_client.py

By default it speaks to the stack of this checkout, as the user `demo` on the sandbox's Binance. On the sandbox it also
plays the market: once the position is open it lets the price rise for a while, so that the monitor's advisor has a
gain to keep, and then fall until the stop fires. With --url and --token it runs against any Tandem, and then
the market does what it does.
"""

import argparse
import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

STACK_FILE = Path(__file__).resolve().parents[1] / ".local" / "stack.json"
RISE_SECONDS = 60
"""Long enough for the advisor, which looks at each position every 30 seconds."""


@dataclass(frozen=True)
class Tandem:
    """Where it is, and who asks. `sandbox` is where its market can be moved, if it is one that can."""

    url: str
    token: str
    sandbox: str | None = None

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """A REST call. Every write carries an idempotency key, so that sending it again would change nothing."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid.uuid4())}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=30) as client:
            answer = await client.request(method, path, json=body)
        content = answer.json()
        if not content["success"]:
            raise SystemExit(f"{method} {path}: {content['code']}: {content['error']}")
        return content

    async def move(self, symbol: str, price: Decimal | None) -> None:
        """Hold a symbol of the sandbox at a price, or let go of it."""
        change = {"release": True} if price is None else {"price": str(price)}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.sandbox}/sandbox/price", json={"symbol": symbol, **change})
            answer.raise_for_status()

    async def watch(self, execution_id: str) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each update of an execution with the execution after it, until it has ended."""
        protocols = [Subprotocol("tandem"), Subprotocol(f"tandem.jwt.{self.token}")]
        address = self.url.replace("http", "ws", 1) + "/ws"
        async with connect(address, subprotocols=protocols, proxy=None) as socket:
            # What happened before the socket was there is asked for; what both tell is told once.
            life = await self.call("GET", f"/api/executions/{execution_id}")
            told = 0
            for update in life["updates"]:
                told = update["sequence"]
                yield update, life["execution"]
            if life["execution"].get("endedAt"):
                return
            async for text in socket:
                push = json.loads(text)
                if push["type"] != "execution_updated" or push["data"]["execution"]["id"] != execution_id:
                    continue
                update, execution = push["data"]["update"], push["data"]["execution"]
                if update["sequence"] <= told:
                    continue
                told = update["sequence"]
                yield update, execution
                if execution.get("endedAt"):
                    return


async def run(tandem: Tandem, exchange: str, symbol: str, rise_seconds: float) -> None:
    """Start a flow's execution, follow it to its end, and say what it came to."""
    keys = (await tandem.call("GET", "/api/user-api-keys"))["keys"]
    account = next(key["id"] for key in keys if key["exchange"] == exchange and key["tradingEnabled"])
    answer = await tandem.call(
        "POST",
        "/api/flows/example-breakout/executions",
        {
            "nodeId": "entry",
            "accountId": account,
            "symbol": symbol,
            "side": "long",
            "riskPercent": 0.5,
            "leverage": 5,
            "stopLoss": {"trailingDistance": 0.03},
            "agent": "example",
            "aiReasoning": "It left its range with volume.",
            "aiConfidence": 0.75,
            "marketConditions": {"range": "left upwards"},
        },
    )
    started = answer["execution"]
    print(f"execution {started['id']} of flow {started['flowId']}")
    market: asyncio.Task[None] | None = None
    execution = started
    try:
        async for update, execution in tandem.watch(started["id"]):
            print(f"  {update['sequence']:>3} {update['timestamp']} {update['step']:<14} {update['detail']}")
            if update["step"] == "opened" and tandem.sandbox is not None:
                answer = await tandem.call("GET", f"/api/positions/{execution['positionId']}")
                entry = Decimal(str(answer["position"]["entryPrice"]))
                market = asyncio.create_task(play(tandem, symbol, entry, rise_seconds))
    finally:
        if market is not None:
            market.cancel()
            await asyncio.gather(market, return_exceptions=True)
            await tandem.move(symbol, None)
    if not execution.get("positionId"):
        print(f"nothing was opened: {execution.get('reason')}")
        return
    result = execution["result"]
    print(f"{execution['state']}: {result['reason']} at {result.get('price')}, {result.get('pnl')} net")
    print(f"the timeline of {execution['positionId']}:")
    timeline = await tandem.call("GET", f"/api/positions/{execution['positionId']}/timeline")
    for line in timeline["entries"]:
        print(f"  {line['timestamp']} {line['actor']:<10} {line['change']:<14} {line['evidence']}")


async def play(tandem: Tandem, symbol: str, entry: Decimal, rise_seconds: float) -> None:
    """The market of the sandbox: up by three percent, step by step, then down until something closes the position."""
    steps = max(1, int(rise_seconds))
    for step in range(1, steps + 1):
        await tandem.move(symbol, rounded(entry * (1 + Decimal("0.03") * step / steps)))
        await asyncio.sleep(1)
    for tenth in range(1, 80):
        await tandem.move(symbol, rounded(entry * (Decimal("1.03") - Decimal("0.001") * tenth)))
        await asyncio.sleep(0.5)


def rounded(price: Decimal) -> Decimal:
    """To five digits, as most symbols are priced."""
    return price.quantize(Decimal(1).scaleb(price.adjusted() - 4))


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="the gateway; default: the stack of this checkout")
    parser.add_argument("--token", help="a user's token; default: the demo user's")
    parser.add_argument("--stack", type=Path, default=STACK_FILE, help="the stack.json to read both from")
    parser.add_argument("--exchange", default="binance")
    parser.add_argument("--symbol", default="AVAXUSDT")
    parser.add_argument("--rise-seconds", type=float, default=RISE_SECONDS)
    given = parser.parse_args()
    if given.url and given.token:
        tandem = Tandem(given.url, given.token)
    else:
        stack = json.loads(given.stack.read_text())
        tandem = Tandem(stack["gateway"], stack["tokens"]["user"], stack.get("sandbox"))
    asyncio.run(run(tandem, given.exchange, given.symbol, given.rise_seconds))


if __name__ == "__main__":
    main()
