"""What a stack settles before its first process: ports, secrets, certificates and addresses.

Invariant: what the last start settled is kept as long as it still holds, so that addresses stay the same.
"""

from datetime import datetime

from deploy.local import nats, postgres
from deploy.local.certificates import issue_certificates
from deploy.local.config import StackConfig
from deploy.local.database import service_url
from deploy.local.layout import Layout, read_json, write_json
from deploy.local.ports import LOOPBACK, choose_port, is_free
from deploy.local.processes import NATS, POSTGRES, SERVICES, Surroundings, port_names
from deploy.local.secrets import load_secrets


def survey(config: StackConfig, layout: Layout, now: datetime) -> Surroundings:
    """Settle everything that the processes need to know. `now` is aware UTC. Raises StackError."""
    ports = settle_ports(layout, port_names(config), config.gateway_port)
    secrets = load_secrets(layout, config)
    database_url = config.database_url or (
        f"postgresql://{postgres.ADMINISTRATOR}:{secrets.postgres_password}@{LOOPBACK}:{ports[POSTGRES]}/postgres"
    )
    nats_url = config.nats_url or (
        f"nats://{nats.ADMINISTRATOR}:{secrets.nats_passwords[nats.ADMINISTRATOR]}@{LOOPBACK}:{ports[NATS]}"
    )
    return Surroundings(
        config=config,
        layout=layout,
        ports=ports,
        secrets=secrets,
        certificates=issue_certificates(layout.certificates, now),
        database_url=database_url,
        nats_url=nats_url,
        database_urls={
            service.name: service_url(database_url, service.name, secrets.database_passwords[service.name])
            for service in SERVICES
        },
    )


def settle_ports(layout: Layout, names: list[str], gateway_port: int) -> dict[str, int]:
    """Give each name a free port of its own: the one it had last time where that is still free."""
    remembered: dict[str, int] = read_json(layout.ports_file) or {}
    settled: dict[str, int] = {}
    for name in names:
        taken = frozenset({*settled.values(), gateway_port})
        port = remembered.get(name)
        settled[name] = port if port and port not in taken and is_free(port) else choose_port(taken)
    write_json(layout.ports_file, {**remembered, **settled})
    return settled
