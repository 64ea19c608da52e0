"""Reading an account: the Protocol of it. The reading itself is `services.common.trading.reading.AccountReading`."""

from typing import Protocol

from services.common.exchange.budget import Lane
from services.common.exchange.credentials import Credentials
from services.common.trading.reading import AccountReading
from services.common.trading.side import Venue


class AccountReader(Protocol):
    """Reads the open positions of an account."""

    async def read_account(
        self,
        venue: Venue,
        credentials: Credentials,
        *,
        with_margin: bool = True,
        held: bool = True,
        lane: Lane = Lane.LIVE,
    ) -> AccountReading:
        """The account's open positions. Never raises for a venue's error: the reading says FAILED and why.

        `with_margin=False` halves the cost (live views); the margin is still asked for where the list is empty,
        because an empty list is believed only if the margin agrees. Not so with `held=False`: who knows of nothing that
        is open loses nothing by an empty list.
        """
        ...
