"""What is known without asking: markets, liquidation prices, which positions there are, and whom they are about."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from services.common.errors import ServiceUnavailable
from services.common.exchange.errors import VenueError, VenueErrorKind
from services.common.exchange.prices import Candle, PriceKind
from services.common.exchange.prices import Price as VenuePrice
from services.common.exchange.symbols import SymbolInfo
from services.common.trading.partition import partition_of
from services.common.trading.side import Venue
from services.monitor.domain.evaluation.advice import Mode
from services.monitor.domain.evaluation.situation import Subject
from services.monitor.domain.evaluation.subjects import Subjects
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument
from services.monitor.domain.price_check import Price
from services.monitor.domain.sentiment.asset import Asset
from services.monitor.evaluation.following import SubjectFollower
from services.monitor.evaluation.interest import Interest
from services.monitor.evaluation.liquidations import Liquidations
from services.monitor.evaluation.market import BARS, Markets
from services.monitor.evaluation.modes import Modes
from services.monitor.sentiment.source import Wanted
from tests.fakes.clock import FixedClock
from tests.fakes.evaluations import KeptEvaluations
from tests.unit.monitor.evaluation.situations import NOW, position

SOL = (Venue.BINANCE, "SOLUSDT")


class SlowModes(KeptEvaluations):
    """Its answer is on the way while something happens."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def modes(self) -> dict[str, Mode]:
        answer = await super().modes()
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return answer


async def test_a_mode_that_is_set_while_modes_are_read_is_not_undone_by_what_was_read_before_it() -> None:
    kept = SlowModes()
    modes = Modes(kept, FixedClock(NOW), Mode.ACT)
    await modes.load()
    kept.meanwhile = lambda: modes.set("demo", Mode.OFF)
    await modes.load()
    assert modes.of("demo") is Mode.OFF


class VenueSaid:
    """A venue's market data; `down` makes it fail."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.down = False
        self.asked: list[str] = []
        self.bars = 60

    async def read_price(self, venue: Venue, symbol: str, kind: PriceKind = PriceKind.MARK) -> VenuePrice:
        self._ask("price")
        stamp = int(self.clock.now().timestamp() * 1000)
        return VenuePrice(venue, symbol, kind, Decimal(90), stamp, stamp, polled=True)

    async def read_candles(
        self,
        venue: Venue,
        symbol: str,
        *,
        interval_minutes: int,
        since: datetime,
        until: datetime,
        kind: PriceKind = PriceKind.LAST,
    ) -> tuple[Candle, ...]:
        self._ask("candles")
        length = timedelta(minutes=interval_minutes)
        assert until - since == (BARS + 1) * length
        return tuple(
            Candle(since + number * length, Decimal(100), Decimal(101), Decimal(99), Decimal(100), None)
            for number in range(self.bars)
        )

    async def read_symbol(self, venue: Venue, symbol: str) -> SymbolInfo:
        self._ask("symbol")
        one = Decimal(1)
        return SymbolInfo(
            symbol=symbol,
            base="SOL",
            quote="USDT",
            trading=True,
            tick_size=Decimal("0.01"),
            quantity_step=one,
            min_quantity=one,
            max_market_quantity=one,
            min_notional=one,
        )

    async def read_funding(self, venue: Venue, symbol: str) -> Decimal:
        self._ask("funding")
        return Decimal("0.0001")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise VenueError(Venue.BINANCE, VenueErrorKind.UNREACHABLE, "away")


class Market:
    def __init__(self) -> None:
        self.clock = FixedClock(NOW)
        self.venue = VenueSaid(self.clock)
        self.last: Price | None = None
        self.markets = Markets(
            self.venue, self.venue, lambda _: self.last, self.clock, candle_minutes=5, price_seconds=30
        )
        self.markets.want([SOL])

    def price(self, value: str) -> None:
        self.last = Price(Instrument(*SOL), Decimal(value), self.clock.now())


async def test_a_market_is_asked_for_once_however_many_look() -> None:
    market = Market()
    market.price("100")
    assert market.markets.conditions(*SOL) is None, "nothing is known yet"
    await market.markets.refresh()
    await market.markets.refresh()
    assert market.venue.asked == ["symbol", "funding", "candles"]
    known = market.markets.conditions(*SOL)
    assert known is not None
    assert known.measures is not None
    assert [known.mark, known.measures.atr, known.measures.trend] == [100, 2, 0]
    assert (known.tick, known.funding_rate) == (Decimal("0.01"), Decimal("0.0001"))
    assert market.markets.conditions(*SOL) is known
    market.clock.advance(3)
    market.price("106")
    moved = market.markets.conditions(*SOL)
    assert moved is not None
    assert moved.measures is not None
    assert (moved.mark, moved.measures.atr > 2, moved.measures.trend > 0) == (Decimal(106), True, True)


async def test_candles_are_asked_for_when_a_bar_has_ended() -> None:
    market = Market()
    market.price("100")
    await market.markets.refresh()
    market.clock.advance(299)
    await market.markets.refresh()
    assert market.venue.asked.count("candles") == 1
    market.clock.advance(3)
    await market.markets.refresh()
    assert market.venue.asked.count("candles") == 2


async def test_a_price_that_is_not_followed_is_asked_for_and_one_that_is_old_is_none() -> None:
    market = Market()
    await market.markets.refresh()
    known = market.markets.conditions(*SOL)
    assert known is not None
    assert known.mark == 90
    market.venue.down = True
    market.clock.advance(200)
    await market.markets.refresh()
    assert market.markets.conditions(*SOL) is None


async def test_a_venue_that_is_away_is_asked_again_and_costs_only_what_it_would_have_said() -> None:
    market = Market()
    market.price("100")
    market.venue.down = True
    await market.markets.refresh()
    bare = market.markets.conditions(*SOL)
    assert bare is not None
    assert (bare.mark, bare.measures, bare.funding_rate, bare.tick) == (Decimal(100), None, None, None)
    market.venue.down = False
    market.clock.advance(30)
    market.price("100")
    await market.markets.refresh()
    whole = market.markets.conditions(*SOL)
    assert whole is not None
    assert whole.measures is not None
    market.markets.want([])
    assert market.markets.conditions(*SOL) is None


async def test_too_few_bars_measure_nothing() -> None:
    market = Market()
    market.venue.bars = 3
    market.price("100")
    await market.markets.refresh()
    known = market.markets.conditions(*SOL)
    assert known is not None
    assert known.measures is None


class Said:
    """What positions says of liquidation prices and of what is open."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[str] = []
        self.open: list[Subject] = []

    async def liquidations(self, user_id: str) -> Mapping[str, Decimal]:
        self.asked.append(user_id)
        if self.down:
            raise ServiceUnavailable(service="positions")
        return {"OP_1": Decimal(80)}

    async def list_open(self) -> AsyncIterator[Subject]:
        if self.down:
            raise ServiceUnavailable(service="positions")
        for subject in list(self.open):
            yield subject


async def test_liquidation_prices_are_asked_for_by_user_now_and_then() -> None:
    clock, said, users = FixedClock(NOW), Said(), {"demo"}
    liquidations = Liquidations(said, lambda: users, clock, interval_seconds=120)
    assert liquidations.price("demo", "OP_1") is None
    await liquidations.refresh()
    await liquidations.refresh()
    assert (said.asked, liquidations.price("demo", "OP_1")) == (["demo"], Decimal(80))
    assert liquidations.price("demo", "OP_2") is None
    liquidations.stale("demo")
    clock.advance(1)
    await liquidations.refresh()
    assert len(said.asked) == 2
    said.down = True
    clock.advance(480)
    await liquidations.refresh()
    assert liquidations.price("demo", "OP_1") == 80
    clock.advance(1)
    assert liquidations.price("demo", "OP_1") is None, "what is old is not known"
    users.clear()
    await liquidations.refresh()
    assert liquidations.price("demo", "OP_1") is None


async def test_positions_come_by_event_and_by_listing() -> None:
    said, subjects = Said(), Subjects()
    opened: list[str] = []
    gone: list[str] = []
    follower = SubjectFollower(
        said, subjects, lambda one: opened.append(one.position.position_id), gone.append, relist_seconds=60
    )
    first = Subject(position(position_id="OP_1", version=1), managed=True)
    follower.apply(first)
    follower.apply(first)
    said.open = [first, Subject(position(position_id="OP_2", version=1), managed=False)]
    await follower.relist()
    assert (opened, gone) == (["OP_1", "OP_2"], [])
    follower.apply(Subject(position(position_id="OP_1", version=2, is_open=False), managed=True))
    said.open = []
    await follower.relist()
    assert gone == ["OP_1", "OP_2"]


class Held:
    """Partitions that are held."""

    def __init__(self, *accounts: str) -> None:
        self._held = {partition_of(account): Claim("me", partition_of(account), 1) for account in accounts}

    def claims(self) -> Mapping[int, Claim]:
        return self._held


async def test_what_is_looked_up_is_what_this_replica_looks_at() -> None:
    market, subjects = Market(), Subjects()
    for name, account, user, symbol in (
        ("a", "account-1", "demo", "SOLUSDT"),
        ("b", "account-1", "demo", "1000PEPEUSDT"),
        ("c", "account-1", "quiet", "BTCUSDT"),
        ("d", "account-9", "another", "ETHUSDT"),
    ):
        held = position(position_id=name, account_id=account, user_id=user, symbol=symbol)
        subjects.apply(Subject(held, managed=True))
    assert partition_of("account-1") != partition_of("account-9")
    modes = {"quiet": Mode.OFF}
    told: list[dict[Venue, frozenset[str]]] = []
    interest = Interest(
        subjects, Held("account-1"), lambda user: modes.get(user, Mode.ACT), market.markets, told.append
    )
    interest.refresh()
    interest.refresh()
    assert told == [{Venue.BINANCE: frozenset({"SOLUSDT", "1000PEPEUSDT"}), Venue.BYBIT: frozenset()}]
    market.price("100")
    await market.markets.refresh()
    assert interest.users == {"demo"}
    assert set(interest.assets()) == {Wanted(Asset("SOL"), 100.0), Wanted(Asset("PEPE"), None)}
