"""What is paused, for whom, and who may say so."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import FieldInvalid
from services.monitor.domain.pause import (
    CONFIRMATION,
    EVERYBODY,
    ClosingPaused,
    OpeningPaused,
    Pause,
    PauseNotConfirmed,
    Pauses,
    PausesUnknown,
    check_pause,
    check_setter,
)
from services.monitor.pauses.switch import PauseSwitch
from tests.factories import NOON
from tests.fakes.clock import FixedClock
from tests.waiting import until

USERS = st.sampled_from(["ann", "bob", EVERYBODY])
PAUSES = st.lists(st.builds(Pause, USERS, st.booleans(), st.booleans()), max_size=6)


class KeptPauses:
    """Pauses in memory, as Postgres keeps them: a row a user."""

    def __init__(self) -> None:
        self.kept = Pauses()

    async def read(self) -> Pauses:
        return self.kept

    async def write(self, pause: Pause, now: datetime) -> None:
        check_setter(self.kept.of(pause.user_id), pause)
        self.kept = self.kept.with_one(replace(pause, set_at=now))


@given(PAUSES, st.sampled_from(["ann", "bob"]))
def test_a_user_is_stopped_by_their_own_pause_or_everybodys(pauses: list[Pause], user: str) -> None:
    last = {pause.user_id: pause for pause in pauses}
    holding = [last[name] for name in (EVERYBODY, user) if name in last]
    now = Pauses(pauses)
    assert (now.opening(user) is not None) == any(pause.opening for pause in holding)
    assert (now.closing(user) is not None) == any(pause.closing for pause in holding)


@given(PAUSES, st.builds(Pause, st.just("ann"), st.booleans(), st.booleans()))
def test_what_one_user_sets_touches_nobody_else(pauses: list[Pause], changed: Pause) -> None:
    before, after = Pauses(pauses), Pauses(pauses).with_one(changed)
    assert after.of("ann") == changed
    assert after.opening("bob") == before.opening("bob")
    assert after.closing("bob") == before.closing("bob")


def test_stopping_closes_has_to_be_confirmed_and_explained() -> None:
    closing = Pause("ann", closing=True, reason="maintenance of the exchange")
    check_pause(closing, CONFIRMATION)
    check_pause(Pause("ann", opening=True), "")
    with pytest.raises(PauseNotConfirmed):
        check_pause(closing, "yes")
    with pytest.raises(FieldInvalid):
        check_pause(replace(closing, reason=" "), CONFIRMATION)
    with pytest.raises(FieldInvalid):
        check_pause(Pause("ann", opening=True, reason="x" * 281), "")


def test_a_pause_says_whose_it_is() -> None:
    assert Pause("ann", opening=True, reason="tired", set_by="ann").why == "tired (by your own setting)."
    assert Pause("ann", opening=True, reason="under review", set_by="root").why == "under review (by an operator)."
    assert Pause(EVERYBODY, opening=True, reason="drill", set_by="root").why == "drill (for everybody)."


async def test_the_switch_stands_in_the_way() -> None:
    told: list[int] = []
    switch = PauseSwitch(KeptPauses(), FixedClock(NOON), lambda: told.append(1))
    with pytest.raises(PausesUnknown):
        switch.check_closing("ann")
    await switch.set(Pause("ann", opening=True, closing=True, reason="tired", set_by="ann"), CONFIRMATION)
    with pytest.raises(OpeningPaused):
        await switch.check("ann")
    with pytest.raises(ClosingPaused, match="tired"):
        switch.check_closing("ann")
    await switch.check("bob")
    switch.check_closing("bob")
    await switch.set(Pause(EVERYBODY, opening=True, set_by="root"), "")
    with pytest.raises(OpeningPaused, match="everybody"):
        await switch.check("bob")
    switch.check_closing("bob")
    await switch.set(Pause("ann", set_by="ann"), "")
    switch.check_closing("ann")
    own, everybody = await switch.get("ann")
    assert (own.opening, own.closing, everybody.opening) == (False, False, True)
    assert len(told) == 3


class SlowPauses(KeptPauses):
    """Pauses whose readers hear, one by one as they are let, what was so when they asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.let = asyncio.Semaphore(0)

    async def read(self) -> Pauses:
        kept = self.kept
        self.asked += 1
        await self.let.acquire()
        return kept


async def test_what_was_read_before_a_pause_was_set_does_not_lift_it() -> None:
    store = SlowPauses()
    switch = PauseSwitch(store, FixedClock(NOON), lambda: None, read_seconds=0)
    reading = asyncio.create_task(switch.run())
    store.let.release()
    await until(lambda: store.asked == 2)  # the first was taken in; the second has seen no pause, and is under way
    await switch.set(Pause("ann", closing=True, reason="tired", set_by="ann"), CONFIRMATION)
    store.let.release()
    await until(lambda: store.asked == 3)
    with pytest.raises(ClosingPaused):
        switch.check_closing("ann")
    reading.cancel()
    await asyncio.wait([reading])


async def test_who_sets_a_pause_before_anything_was_read_learns_of_the_others_as_well() -> None:
    store = KeptPauses()
    await store.write(Pause("bob", closing=True, reason="tired", set_by="bob"), NOON)
    switch = PauseSwitch(store, FixedClock(NOON), lambda: None)
    await switch.set(Pause("ann", opening=True, set_by="ann"), "")
    with pytest.raises(ClosingPaused):
        switch.check_closing("bob")
    with pytest.raises(OpeningPaused):
        await switch.check("ann")
