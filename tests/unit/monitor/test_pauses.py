"""What is paused, for whom, and who may say so."""

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
)
from services.monitor.pauses.switch import PauseSwitch
from tests.factories import NOON
from tests.fakes.clock import FixedClock

USERS = st.sampled_from(["ann", "bob", EVERYBODY])
PAUSES = st.lists(st.builds(Pause, USERS, st.booleans(), st.booleans()), max_size=6)


class KeptPauses:
    """Pauses in memory, as Postgres keeps them: a row a user."""

    def __init__(self) -> None:
        self.kept = Pauses()

    async def read(self) -> Pauses:
        return self.kept

    async def write(self, pause: Pause, now: datetime) -> None:
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
