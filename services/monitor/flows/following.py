"""Takes in what the books and the advisor tell of positions that executions opened."""

from services.common.bus import Received
from services.common.clock import Clock
from services.monitor.domain.execution import PositionSeen
from services.monitor.events.executions import read_fact
from services.monitor.flows.store import PostgresExecutions
from services.monitor.opening.ports import Openings


class ExecutionFollower:
    """A handler of a durable consumer: whatever is delivered twice takes effect once."""

    def __init__(self, executions: PostgresExecutions, openings: Openings, clock: Clock) -> None:
        self._executions = executions
        self._openings = openings
        self._clock = clock

    async def __call__(self, received: Received) -> None:
        """Take in one fact. Raises ValueError, KeyError for one that cannot be understood, DatabaseUnavailable."""
        match read_fact(received):
            case PositionSeen() as position:
                now = self._clock.now()
                if position.is_open:
                    # The books have a position of an order that had never arrived, it was said.
                    await self._openings.reopen(position.intent_id, now)
                await self._executions.follow(position, now)
            case (position_id, step):
                await self._executions.tell(position_id, step)
