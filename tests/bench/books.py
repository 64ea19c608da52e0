"""What the books cost when they are large: `python -m tests.bench.books`.

A Postgres of its own that waits for its disk, with two million positions: a million closed, of which one user has ten
thousand, and a million open, of which that user has fifty. Takes about two minutes, most of it to write them.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from pydantic import SecretStr
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.child import Child
from deploy.local.database import SERVICES, prepare_database
from deploy.local.ports import choose_port
from deploy.local.postgres import PostgresLauncher, PostgresServer, wait_until_ready
from services.common.database import create_engine, transaction
from services.common.exchange.credentials import Credentials
from services.common.migration import migrate_schema
from services.common.trading.level import INDICATIVE_LEVELS
from services.common.trading.reading import PositionKey
from services.common.trading.side import PositionSide
from services.positions.custody import Custodian
from services.positions.domain.account import Account
from services.positions.domain.decision import Adopt, Decision
from services.positions.store import positions as rows
from services.positions.store.accounts import list_accounts, reseal
from services.positions.store.history import Chosen
from services.positions.store.levels import levels_to_document
from tests.contract.positions.conftest import ENCRYPTION_KEYS, Books
from tests.contract.positions.test_openings import bought, opening
from tests.factories import NOON, at, make_fill, make_seen
from tests.fakes.clock import FixedClock
from tests.fakes.venue_reader import FakeVenueReader
from tests.servers import reachable_directory

CLOSED = OPEN = 1_000_000
USER = "bench"
USERS_TRADES = 10_000
USERS_OPEN = 50
CROWD = 10_000
"""How many accounts the others share."""
ASKED = 40
RECORDED = 1_600
WRITERS = 8
YEAR_SECONDS = 365 * 86_400


@dataclass(frozen=True)
class Line:
    what: str
    figure: float
    unit: str
    target: float | None
    at_least: bool = False

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        return self.figure >= self.target if self.at_least else self.figure < self.target


@dataclass(frozen=True)
class Settings:
    """What a migration reads."""

    database_url: SecretStr
    service: str = "positions"


@asynccontextmanager
async def durable_postgres(directory: Path) -> AsyncIterator[PostgresServer]:
    """A server whose commits are on the disk, as in production."""
    launcher = PostgresLauncher(
        data_dir=directory / "postgres", port=choose_port(), password="bench", log_file=directory / "postgres.log"
    )
    child = await Child.start(await launcher.prepare())
    try:
        await wait_until_ready(launcher, child)
        yield PostgresServer(child.pid, launcher.port, launcher.data_dir, launcher.password)
    finally:
        await child.stop(20)


async def fill_books(url: str) -> None:
    """Two million positions, by COPY."""
    connection = await asyncpg.connect(url)
    try:
        await _copy(connection, "accounts", _account_lines())
        await _copy(connection, "positions", _closed_lines())
        await _copy(connection, "positions", _open_lines())
        await connection.execute("VACUUM ANALYZE positions")
        # What was committed a moment ago is not yet known to be visible to all; by now it is.
        await connection.execute("VACUUM positions")
    finally:
        await connection.close()


async def _copy(connection: Any, table: str, lines: Iterator[dict[str, str]]) -> None:
    first = next(lines)

    async def chunks() -> AsyncIterator[bytes]:
        chunk = ["\t".join(first.values())]
        for line in lines:
            chunk.append("\t".join(line.values()))
            if len(chunk) == 5_000:
                yield ("\n".join(chunk) + "\n").encode()
                chunk.clear()
        if chunk:
            yield ("\n".join(chunk) + "\n").encode()

    await connection.copy_to_table(table, source=chunks(), columns=list(first), format="text", timeout=600)


def _account_lines() -> Iterator[dict[str, str]]:
    for name in (USER, *(f"crowd-{number}" for number in range(CROWD))):
        yield {
            "account_id": name,
            "user_id": name,
            "venue": "binance",
            "venue_user_id": name,
            "name": "Main",
            "masked_key": "k…",
            "sealed_credentials": "\\\\x00",
            "verified": "t",
            "trading_enabled": "t",
            "created_at": NOON.isoformat(),
            "version": "1",
        }


def _position_line(number: int, owner: str, symbol: str, opened_at: datetime) -> dict[str, str]:
    moment = opened_at.isoformat()
    return {
        "position_id": f"OP_1729425600_B{number}",
        "user_id": owner,
        "account_id": owner,
        "venue": "binance",
        "symbol": symbol,
        "position_side": "both",
        "side": "long" if number % 3 else "short",
        "status": "open",
        "origin": "external",
        "managed": "f",
        "quantity": "1.5",
        "entry_price": "65000",
        "leverage": "10",
        "opened_at": moment,
        "settled_since": moment,
        "settled_until": moment,
        "levels": _LEVELS,
        "enforced": "f",
        "version": "1",
        "changed_at": moment,
    }


def _closed_lines() -> Iterator[dict[str, str]]:
    chance = random.Random(5)  # noqa: S311 - figures to reckon with, nothing secret
    every = CLOSED // USERS_TRADES
    for number in range(CLOSED):
        owner = USER if number % every == 0 else f"crowd-{number % CROWD}"
        opened_at = NOON - timedelta(seconds=chance.randrange(YEAR_SECONDS))
        yield {
            **_position_line(number, owner, f"C{number % 37}USDT", opened_at),
            "status": "closed",
            "version": "3",
            "exit_price": "66000.5",
            "exit_quantity": "1.5",
            "exit_fee": "0.05",
            "realized_pnl": f"{chance.gauss(1, 50):.8f}",
            "realized_pnl_percent": "1.5",
            "exit_reason": _REASONS[number // every % len(_REASONS)],
            "exit_cause": "",
            "closed_at": (opened_at + timedelta(seconds=chance.randrange(86_400))).isoformat(),
            "exit_estimated": "t" if number // every % 100 == 0 else "f",
        }


def _open_lines() -> Iterator[dict[str, str]]:
    for number in range(OPEN):
        owner = USER if number < USERS_OPEN else f"crowd-{number % CROWD}"
        yield _position_line(CLOSED + number, owner, f"O{number // CROWD}N{number % USERS_OPEN}USDT", NOON)


_REASONS = ("stop_loss", "take_profit", "manual", "closed_externally")
_LEVELS = json.dumps(levels_to_document(INDICATIVE_LEVELS)).replace("\\", "\\\\")


async def ask(books: Books) -> list[Line]:
    """The figures of one user among a million closed trades."""
    chosen = Chosen(USER)
    told = await books.queries.analyze(chosen)
    assert told.trades.totals.total + told.trades.estimated == USERS_TRADES
    return [
        Line(f"analytics of {USERS_TRADES} trades, median", await _median_ms(books.queries.analyze, chosen), "ms", 50),
        Line("the same by symbol, exchange …, median", await _median_ms(books.queries.break_down, chosen), "ms", 50),
        Line("the same day by day, median", await _median_ms(books.queries.draw_curve, chosen), "ms", 50),
        Line("a page of 50 of the history, median", await _median_ms(_first_page(books), chosen), "ms", None),
    ]


def _first_page(books: Books) -> Callable[[Chosen], Awaitable[object]]:
    return lambda chosen: books.queries.list_history(chosen, None, 50)


async def _median_ms(work: Callable[[Chosen], Awaitable[object]], chosen: Chosen) -> float:
    for _ in range(8):  # past the point where Postgres decides whether to keep a plan
        await work(chosen)
    spent = []
    for _ in range(ASKED):
        started = time.perf_counter()
        await work(chosen)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent) * 1000


async def list_open(engine: AsyncEngine) -> Line:
    """A user's open positions among two million rows."""

    async def once(_: Chosen) -> None:
        async with transaction(engine) as connection:
            found = await rows.list_open(connection, user_id=USER)
            assert len(found) == USERS_OPEN

    what = f"{USERS_OPEN} open positions of {(OPEN + CLOSED) // 10**6} million rows, median"
    return Line(what, await _median_ms(once, Chosen(USER)), "ms", None)


async def record(books: Books, engine: AsyncEngine) -> list[Line]:
    """Openings and closings as the reconciler and the monitor bring them: row, fill, timeline and event at once."""
    async with transaction(engine) as connection:
        accounts = [
            account for number in range(WRITERS * 4) for account in await list_accounts(connection, f"crowd-{number}")
        ]
        for account in accounts:
            sealed = Custodian(ENCRYPTION_KEYS).seal(account.account_id, Credentials(account.account_id, "s3cret"))
            await reseal(connection, account.account_id, sealed)
    numbers = count(1)
    opened: list[tuple[Account, str, str]] = []

    async def open_one() -> None:
        number = next(numbers)
        account, symbol = accounts[number % len(accounts)], f"R{number}USDT"
        act = Adopt(make_seen(symbol=symbol), at(10), at(10.2))
        [result] = await books.decisions.apply(f"run-{number}", account.account_id, [Decision("1", act, "seen")])
        opened.append((account, result.position_id, symbol))

    async def open_own() -> None:
        number = next(numbers)
        account, intent_id = accounts[number % len(accounts)], uuid4()
        key = PositionKey(f"R{number}USDT", PositionSide.BOTH)
        fill = replace(bought(intent_id, f"O{number}"), symbol=key.symbol)
        position = await books.openings.record(opening(account, intent_id, key=key, fills=(fill,)))
        assert position.managed

    async def close_one() -> None:
        _, position_id, symbol = opened.pop()
        fill = make_fill(f"F{symbol}", symbol=symbol, executed_at=at(15))
        closed = await books.fills.record_fills(position_id, [fill], "intent")
        assert not closed.is_open

    return [
        Line("openings recorded", await _rate(open_one), "/s", 400, at_least=True),
        Line("openings of Tandem's own recorded", await _rate(open_own), "/s", 400, at_least=True),
        Line("closings recorded", await _rate(close_one), "/s", 400, at_least=True),
    ]


async def _rate(work: Callable[[], Awaitable[None]]) -> float:
    left = count()

    async def writer() -> None:
        while next(left) < RECORDED:
            await work()

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return RECORDED / (time.perf_counter() - started)


async def explain(engine: AsyncEngine, books: Books) -> bool:
    """Print how Postgres goes about it; whether it reads by indexes alone."""

    async def open_positions() -> None:
        async with transaction(engine) as connection:
            await rows.list_open(connection, user_id=USER)

    async def figures() -> None:
        await books.queries.analyze(Chosen(USER))

    by_index = True
    asked: list[tuple[str, Callable[[], Awaitable[None]], tuple[str, ...]]] = [
        ("open positions of a user", open_positions, ("Index Scan", "Bitmap Heap Scan", "Bitmap Index Scan")),
        ("figures of a user's trades", figures, ("Index Only Scan",)),
    ]
    for title, work, allowed in asked:
        plan = await _plan(engine, work)
        scans = [line for line in plan if " on positions" in line]
        by_index = by_index and bool(scans) and all(any(scan in line for scan in allowed) for line in scans)
        _say(f"\nPlan: {title}")
        for line in plan:
            _say(f"  {line}")
    return by_index


async def _plan(engine: AsyncEngine, work: Callable[[], Awaitable[None]]) -> Sequence[str]:
    """The plan of the statement about positions that `work` runs, with its own parameters."""
    heard: list[tuple[str, Any]] = []

    def hear(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if "FROM positions" in statement:
            heard.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", hear)
    await work()
    event.remove(engine.sync_engine, "before_cursor_execute", hear)
    [(statement, parameters)] = heard
    async with transaction(engine) as connection:
        explained = await connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) {statement}", parameters
        )
        return [row[0] for row in explained]


def show(lines: Sequence[Line]) -> bool:
    """Print the table; whether every figure that has a target is within it."""
    _say(f"{'':<56} {'figure':>10} {'unit':<5} {'target':>10}")
    for line in lines:
        target = "" if line.target is None else f"{'at least' if line.at_least else '<'} {line.target:g}"
        _say(f"{line.what:<56} {line.figure:10.1f} {line.unit:<5} {target:>12}{'' if line.met else '  MISSED'}")
    return all(line.met for line in lines)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


async def measure() -> bool:
    with reachable_directory() as directory:
        async with durable_postgres(directory) as server:
            urls = await prepare_database(server.admin_url, dict.fromkeys(SERVICES, "bench"))
            await migrate_schema(Settings(SecretStr(urls["positions"])), "services.positions")
            started = time.perf_counter()
            await fill_books(urls["positions"])
            _say(f"{CLOSED + OPEN} positions written in {time.perf_counter() - started:.0f} s")
            engine = create_engine(urls["positions"], "positions", WRITERS + 2)
            try:
                books = Books(engine, FakeVenueReader(), FixedClock(at(20)))
                lines = [*await ask(books), await list_open(engine), *await record(books, engine)]
                met = show(lines)
                by_index = await explain(engine, books)
                _say(f"\nrows are found by index alone: {'yes' if by_index else 'NO'}")
                return met and by_index
            finally:
                await engine.dispose()


def main() -> int:
    return 0 if asyncio.run(measure()) else 1


if __name__ == "__main__":
    sys.exit(main())
