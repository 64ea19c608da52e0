"""One trace from a request to the exchange call, and through NATS to whoever hears of it."""

import secrets

from tests.collector import Collector, SeenSpan
from tests.e2e.trader import Trader, until


async def test_a_close_is_one_trace_from_the_request_to_the_event(trader: Trader, collector: Collector) -> None:
    symbol = await trader.mint_symbol("100")
    await trader.trade(symbol, "buy", "1")
    await trader.add_key()
    rows = await until(trader.rows, lambda rows: symbol in rows and rows[symbol]["inSync"], "the adoption")

    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    path = f"/api/positions/{rows[symbol]['id']}/close"
    await trader.call("POST", path, {}, traceparent=f"00-{trace_id}-{parent_id}-01")

    def named(spans: list[SeenSpan], service: str, part: str) -> list[SeenSpan]:
        return [span for span in spans if span.service == service and part in span.name]

    wanted = (
        ("gateway", "POST /api/positions/{position_id}/close"),
        ("monitor", "MonitorService/ClosePosition"),
        ("monitor", f"{trader.exchange} POST"),
        ("positions", "PositionsService/RecordFills"),
        ("gateway", "handle positions.v1.position_closed"),
    )

    def whole(seen: list[SeenSpan]) -> bool:
        # A span is sent when it has ended, so one that others hang on may come after them.
        known = {parent_id, *(span.span_id for span in seen)}
        return all(named(seen, *one) for one in wanted) and all(span.parent_id in known for span in seen)

    spans = await collector.trace(trace_id, whole)
    told = str(spans)
    assert trader.secret not in told
    assert trader.api_key not in told
    assert trader.user_id not in told
    assert "signature" not in told
