"""Reading what a real NATS has kept: all of it, in order, or an error that says why not."""

from pathlib import Path

import nats
import pytest

from deploy.local.nats import NatsServer, running_nats
from services.common.bus import Bus
from services.common.errors import BusUnavailable
from services.common.past import PastGone
from services.common.subjects import STREAM, subject
from tests.contract.common.conftest import bus_of, declare, running


async def test_the_past_of_a_user_is_read_from_behind_a_place_in_order(positions_bus: Bus, gateway_bus: Bus) -> None:
    mine, others = subject("positions", "past_read", "mine"), subject("positions", "past_read", "other")
    sequences = []
    for n in range(600):
        sequences.append(await positions_bus.publish(mine, str(n).encode(), f"past-{n}"))
        if n % 100 == 0:
            await positions_bus.publish(others, b"x", f"past-other-{n}")
    last = await gateway_bus.last_sequence()
    assert last >= sequences[-1]
    past = await gateway_bus.read_past([mine], sequences[9], 1000)
    assert [(message.sequence, message.payload) for message in past] == [
        (sequences[n], str(n).encode()) for n in range(10, 600)
    ]
    assert await gateway_bus.read_past([mine], last, 10) == []
    assert await gateway_bus.read_past([subject("positions", "past_read", "nobody")], sequences[0], 10) == []
    with pytest.raises(PastGone):
        await gateway_bus.read_past([mine], sequences[9], 589)
    with pytest.raises(PastGone):
        await gateway_bus.read_past([mine], last + 1, 10)


async def test_what_has_expired_is_gone(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = Path(tmp_path_factory.mktemp("past"))
    async with running_nats(directory) as server:
        await declare(server)
        bus = bus_of(server, "positions")
        async with running(bus):
            await bus.wait_connected()
            name = subject("positions", "past_gone", "mine")
            for n in range(5):
                await bus.publish(name, str(n).encode(), str(n))
            await purge(server, below=4)
            assert [message.sequence for message in await bus.read_past([name], 3, 10)] == [4, 5]
            with pytest.raises(PastGone):
                await bus.read_past([name], 2, 10)
    with pytest.raises(BusUnavailable):
        await bus.read_past([name], 4, 10, timeout_seconds=0.2)
    with pytest.raises(BusUnavailable):
        await bus.last_sequence()


async def purge(server: NatsServer, below: int) -> None:
    client = await nats.connect(server.admin_url)
    await client.jetstream().purge_stream(STREAM, seq=below)
    await client.close()
