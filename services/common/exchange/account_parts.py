"""The parts that a reading of an account is put together from, and how far they agree.

An empty, short or stale list is believed only where the margin, which comes from an endpoint of its own, agrees.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from services.common.exchange.errors import VenueError
from services.common.exchange.fields import Row
from services.common.trading.reading import AccountMargin, AccountReading, PositionKey, ReadingStatus, VenuePosition
from services.common.trading.side import PositionSide

_MARGIN_TOLERANCE = Decimal("0.8")
"""Margin follows the mark price between two calls; positions that account for less than this are short of some."""


@dataclass(frozen=True, slots=True)
class PositionsPart:
    """The positions that could be read, each once; `pages` is 0 where nothing was."""

    positions: tuple[VenuePosition, ...] = ()
    unreadable: tuple[str, ...] = ()
    pages: int = 0
    failure: VenueError | None = None


@dataclass(frozen=True, slots=True)
class MarginPart:
    """The account's margin; how much of it is for the positions that are listed; which positions it knows of."""

    margin: AccountMargin
    position_margin: Decimal | None = None
    keys: frozenset[PositionKey] | None = field(default=None)


def read_rows(rows: Iterable[Row], parse: Callable[[Row], VenuePosition | None], pages: int = 1) -> PositionsPart:
    """Parse rows one by one, so that one that cannot be read costs no other.

    Of a position that is listed twice, with two quantities, or in both position modes, nobody knows which is so:
    neither is taken.
    """
    found: dict[PositionKey, VenuePosition] = {}
    unreadable = []
    contradicted: dict[PositionKey, None] = {}
    for row in rows:
        try:
            position = parse(row)
        except ValueError as error:
            unreadable.append(f"{row.get('symbol', 'a row')}: {error}")
            continue
        if position is None:
            continue
        before = found.get(position.key, position)
        if (before.side, before.quantity) != (position.side, position.quantity):
            contradicted[position.key] = None
        found[position.key] = position
    one_way = {key.symbol for key in found if key.position_side is PositionSide.BOTH}
    hedged = {key.symbol for key in found if key.position_side is not PositionSide.BOTH}
    contradicted.update((key, None) for key in found if key.symbol in one_way & hedged)
    for key in contradicted:
        del found[key]
    unreadable.extend(f"{symbol}: listed twice" for symbol in dict.fromkeys(key.symbol for key in contradicted))
    return PositionsPart(tuple(found.values()), tuple(unreadable), pages)


def assemble(
    part: PositionsPart,
    margin: MarginPart | VenueError | None,
    asked_at: datetime,
    taken_at: datetime,
    *,
    held: bool = True,
) -> AccountReading:
    """One reading from its parts; `margin` is None where it was not asked for, `held` False where an empty list is no
    news.
    """
    status, reason = _judge(part, margin, held=held)
    return AccountReading(
        status=status,
        asked_at=asked_at,
        taken_at=taken_at,
        positions=part.positions,
        margin=margin.margin if isinstance(margin, MarginPart) else None,
        reason=reason,
    )


def with_failure(part: PositionsPart, failure: VenueError | None) -> PositionsPart:
    """The part as it is, cut short by a failure."""
    return replace(part, failure=failure)


def _judge(part: PositionsPart, margin: MarginPart | VenueError | None, *, held: bool) -> tuple[ReadingStatus, str]:
    if part.failure is not None:
        status = ReadingStatus.PARTIAL if part.pages else ReadingStatus.FAILED
        return status, str(part.failure)
    if part.unreadable:
        return ReadingStatus.PARTIAL, f"{len(part.unreadable)} rows could not be read, first {part.unreadable[0]}"
    if isinstance(margin, MarginPart):
        doubt = _doubt(part.positions, margin)
        return (ReadingStatus.SUSPICIOUS, doubt) if doubt else (ReadingStatus.COMPLETE, "")
    if held and not part.positions:
        why = str(margin) if margin is not None else "it was not asked for"
        return ReadingStatus.SUSPICIOUS, f"no positions are listed and the margin does not say so: {why}"
    return ReadingStatus.COMPLETE, "" if margin is None else f"without margin: {margin}"


def _doubt(positions: tuple[VenuePosition, ...], margin: MarginPart) -> str:
    return _doubt_of_keys(positions, margin.keys) or _doubt_of_margin(positions, margin.position_margin)


def _doubt_of_keys(positions: tuple[VenuePosition, ...], held: frozenset[PositionKey] | None) -> str:
    listed = {position.key for position in positions}
    if held is None or held == listed:
        return ""
    if missing := held - listed:
        return f"the account holds positions that are not listed: {_names(missing)}"
    return f"positions are listed that the account does not hold: {_names(listed - held)}"


def _doubt_of_margin(positions: tuple[VenuePosition, ...], in_use: Decimal | None) -> str:
    stated = [position.initial_margin for position in positions]
    known = [one for one in stated if one is not None]
    if in_use is None or len(known) < len(stated):
        return ""
    if in_use > 0 and not positions:
        return f"no positions are listed, but an initial margin of {in_use} is in use"
    if sum(known) < in_use * _MARGIN_TOLERANCE:
        return f"the listed positions account for {sum(known)} of an initial margin of {in_use}"
    if in_use <= 0 < sum(known):
        return f"the listed positions state an initial margin of {sum(known)}, but none is in use"
    return ""


def _names(keys: Iterable[PositionKey]) -> str:
    return ", ".join(sorted(key.symbol for key in keys))
