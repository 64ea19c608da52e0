"""A process that does nothing but relay the outbox of positions, to be killed by a test; $RELAY says where to."""

import asyncio
import json
import os

from prometheus_client import CollectorRegistry

from services.common.bus import Bus
from services.common.database import create_engine
from services.common.relay import Relay
from services.common.telemetry import Instruments
from tests.contract.common.settings import NatsSettings


async def main() -> None:
    """Relay until killed."""
    told = json.loads(os.environ["RELAY"])
    instruments = Instruments(CollectorRegistry())
    bus = Bus(NatsSettings.of(told["nats"], told["user"], told["user"]), "relay", instruments)
    relay = Relay(create_engine(told["database"], "positions", 2), bus, instruments, poll_seconds=0.05)
    await asyncio.gather(bus.run(), relay.run())


if __name__ == "__main__":
    asyncio.run(main())
