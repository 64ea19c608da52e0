"""`python -m services.monitor serve|migrate|check-config`: wiring only."""

from functools import partial

from services.common import standing
from services.common.command_line import run_command
from services.common.exchange.funding import FundingReader
from services.common.process import Process
from services.common.server import GrpcServer
from services.monitor import lookout
from services.monitor.alerts import room as alerting
from services.monitor.closing import room as closing
from services.monitor.config import MonitorSettings
from services.monitor.evaluation import room as evaluation
from services.monitor.flows import room as opening
from services.monitor.ground import lay_ground
from services.monitor.pauses.store import PostgresPauses
from services.monitor.pauses.switch import PauseSwitch
from services.monitor.rpc import alerts, evaluations, flows, pauses, status, trading


def main() -> None:
    """Do what the command line says."""
    run_command(MonitorSettings, serve)


async def serve(settings: MonitorSettings, process: Process) -> None:
    """Start every part. What is registered last is stopped first."""
    served = (trading, alerts, evaluations, flows, pauses, status)
    for service in served:
        process.health.declare(service.FULL_NAME, readiness=False)
    ground = await lay_ground(settings, process)
    switch = PauseSwitch(PostgresPauses(ground.engine), ground.clock, ground.relay.notify)
    process.spawn("pauses", switch.run())
    closes = closing.build(ground, switch.check_closing)
    watches = await lookout.build(ground, closes.closer, switch.trouble)
    alerted = alerting.build(
        settings,
        process,
        alerting.Surroundings(
            *(ground.engine, ground.bus, ground.relay, ground.positions, ground.reader, ground.holder, ground.clock),
            *(watches.watch.last, watches.index.watermark, watches.levels.positions),
            on_symbols=partial(watches.wanted.state, "alerts"),
        ),
    )
    watches.heard.append(process.shield("alerted prices", alerted.on_price))
    opens = opening.build(
        process,
        opening.World(
            *(settings, ground.engine, ground.bus, ground.relay, ground.positions, ground.reader, ground.orders),
            *(ground.keys, ground.holder, ground.clock, closes.timing, closes.manual),
        ),
        gate=switch,
    )
    evaluated = evaluation.start(
        process,
        settings,
        evaluation.Surroundings(
            *(ground.engine, ground.bus, ground.relay.notify, ground.clock, ground.positions, ground.reader),
            *(FundingReader(ground.venues), closes.closer, ground.holder, watches.index, watches.watch.last),
            on_symbols=partial(watches.wanted.state, "evaluation"),
        ),
    )
    stands = status.reading(ground.venues.budget, watches.watch.standing)
    server = GrpcServer(
        settings,
        (
            *trading.registrations(closes.manual, opens.opens, opens.books),
            *flows.registrations(opens.executions),
            alerted.registration,
            evaluated,
            pauses.registration(switch),
            standing.offer(process, stands, ground.bus.publish_ephemeral, ground.clock),
        ),
        {method: callers for service in served for method, callers in service.ACCESS.items()},
        process.health,
        process.instruments,
    )
    await server.start()
    process.on_drain(server.drain, "grpc")
    await watches.ready()
    for service in served:
        process.health.set(service.FULL_NAME, True)


if __name__ == "__main__":
    main()
