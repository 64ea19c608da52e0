"""Whether the enforced levels of an account are watched by somebody who could act on them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.monitor.domain.position import Instrument, Position


@dataclass(frozen=True, slots=True)
class GuardState:
    """An account, and why it is not guarded: empty where it is."""

    account_id: str
    user_id: str
    reason: str

    @property
    def guarded(self) -> bool:
        return not self.reason


def judge_guards(
    positions: Iterable[Position],
    trouble_of_key: Callable[[str], str],
    trouble_of_price: Callable[[Instrument], str],
    trouble_of_position: Callable[[Position], str] = lambda _: "",
) -> tuple[GuardState, ...]:
    """One state for each account among the positions: guarded only where its key and all of its prices are there."""
    states: dict[str, GuardState] = {}
    for position in positions:
        known = states.get(position.account_id)
        if known is not None and known.reason:
            continue
        reason = trouble_of_key(position.account_id) if known is None else ""
        reason = reason or trouble_of_price(position.instrument) or trouble_of_position(position)
        states[position.account_id] = GuardState(position.account_id, position.user_id, reason)
    return tuple(states.values())
