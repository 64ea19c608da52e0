"""What a replica says about guarding."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.monitor.domain.guard import GuardState
from services.monitor.domain.intent import Claim
from services.monitor.domain.position import Instrument, Position
from services.monitor.domain.share import fair_share
from services.monitor.partitions.guarding import Guarding, Heartbeat
from tests.unit.monitor.world import ACCOUNT, PARTITION, a_position


@dataclass
class Replica:
    held: dict[int, Claim] = field(default_factory=lambda: {PARTITION: Claim("one", PARTITION, 1)})
    followed: list[Position] = field(default_factory=lambda: [a_position()])
    loaded: bool = True
    key_trouble: str = ""
    price_trouble: dict[str, str] = field(default_factory=dict)
    beats: list[Heartbeat] = field(default_factory=list)
    changes: list[GuardState] = field(default_factory=list)
    judged: list[tuple[int, dict[str, int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guarding = Guarding(
            self,
            self,
            positions=lambda: self.followed,
            loaded=lambda: self.loaded,
            trouble_of_key=lambda _: self.key_trouble,
            trouble_of_price=self.trouble_of_price,
            judged=lambda enforced, unguarded: self.judged.append((enforced, dict(unguarded))),
        )

    def claims(self) -> Mapping[int, Claim]:
        return self.held

    def trouble_of_price(self, instrument: Instrument) -> str:
        return self.price_trouble.get(instrument.symbol, "")

    async def beat(self, heartbeat: Heartbeat) -> None:
        self.beats.append(heartbeat)

    async def changed(self, state: GuardState, claim: Claim) -> None:
        assert claim == self.held[claim.partition]
        self.changes.append(state)


async def test_nothing_is_said_before_the_levels_are_loaded() -> None:
    replica = Replica(loaded=False)
    await replica.guarding.beat()
    assert not replica.beats


async def test_a_beat_names_what_is_held_and_who_is_not_guarded() -> None:
    replica = Replica()
    await replica.guarding.beat()
    replica.price_trouble["BTCUSDT"] = "FEED_STALE"
    await replica.guarding.beat()
    await replica.guarding.beat()
    replica.price_trouble.clear()
    await replica.guarding.beat()
    assert [beat.unguarded for beat in replica.beats] == [
        {},
        {ACCOUNT: "FEED_STALE"},
        {ACCOUNT: "FEED_STALE"},
        {},
    ]
    assert all(beat.partitions == (PARTITION,) for beat in replica.beats)
    assert [state.reason for state in replica.changes] == ["", "FEED_STALE", ""]


async def test_one_symbol_without_prices_leaves_its_account_unguarded() -> None:
    replica = Replica(followed=[a_position(), a_position(position_id="OP_2", symbol="ETHUSDT")])
    replica.price_trouble["ETHUSDT"] = "NO_PRICE"
    await replica.guarding.beat()
    assert replica.beats[0].unguarded == {ACCOUNT: "NO_PRICE"}


async def test_positions_that_nobody_watches_are_counted_by_the_kind_of_reason() -> None:
    replica = Replica(followed=[a_position(), a_position(position_id="OP_2", symbol="ETHUSDT")])
    await replica.guarding.beat()
    replica.price_trouble["ETHUSDT"] = "CLOSE_REFUSED: whatever the venue said"
    await replica.guarding.beat()
    replica.held = {}
    await replica.guarding.beat()
    assert replica.judged == [(2, {}), (2, {"CLOSE_REFUSED": 2}), (0, {})]


async def test_accounts_of_other_replicas_are_not_spoken_for() -> None:
    replica = Replica(held={}, key_trouble="NO_TRADING_KEY")
    await replica.guarding.beat()
    assert replica.beats == [Heartbeat((), {})]
    assert not replica.changes
    assert not replica.guarding.accounts()


def test_shares_are_even_and_cover_everything() -> None:
    for replicas in range(1, 9):
        names = [f"r{number}" for number in range(replicas)]
        shares = [fair_share(64, name, names) for name in names]
        assert sum(shares) == 64
        assert max(shares) - min(shares) <= 1
