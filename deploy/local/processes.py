"""The table of processes, from which everything that the stack starts follows.

A service is described by what it serves, whom it calls and which secrets it needs; its environment, ports, certificate,
database role and NATS user are derived from that.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.certificates import CertificateFiles
from deploy.local.child import Launch
from deploy.local.config import StackConfig, split_nats_url
from deploy.local.demo import USER_ID as DEMO_USER_ID
from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK
from deploy.local.secrets import Secrets, write_service_secrets
from deploy.local.token import AUDIENCE, ISSUER, mint_token

ROOT = Path(__file__).resolve().parents[2]
SANDBOX = "sandbox"
POSTGRES = "postgres"
NATS = "nats"
QUIET = {"GRPC_VERBOSITY": "ERROR"}
"""gRPC's C core writes on stderr past our logs, a line for each end of a connection; a person may ask for that."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: `calls` are the services whose gRPC it needs; `secrets` are its own beside those that all have."""

    name: str
    serves_grpc: bool = True
    calls: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


SERVICES = (
    Service("positions", secrets=("encryption_keys",)),
    Service("reconciler", calls=("positions",)),
    Service("monitor", calls=("positions",), secrets=("webhook_key",)),
    Service("gateway", serves_grpc=False, calls=("positions", "reconciler", "monitor"), secrets=("jwt_secret",)),
)


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a service. The first bears the service's name; the others are numbered from 2."""

    service: Service
    number: int = 1

    @property
    def name(self) -> str:
        return self.service.name if self.number == 1 else f"{self.service.name}-{self.number}"

    @property
    def admin(self) -> str:
        """The name of its admin port."""
        return f"{self.name}.admin"

    @property
    def public(self) -> str:
        """The name of the port where it serves others."""
        return f"{self.name}.{'grpc' if self.service.serves_grpc else 'http'}"


def replicas_of(service: Service, config: StackConfig) -> list[Replica]:
    """The processes of a service."""
    return [Replica(service, number) for number in range(1, config.replicas + 1)]


def all_replicas(config: StackConfig) -> list[Replica]:
    """The processes of all services."""
    return [replica for service in SERVICES for replica in replicas_of(service, config)]


def port_names(config: StackConfig) -> list[str]:
    """The names of the ports that this stack chooses for itself; the first gateway's is chosen by a person."""
    names = [replica.admin for replica in all_replicas(config)]
    names += [replica.public for replica in all_replicas(config) if replica.service.serves_grpc or replica.number > 1]
    names += [] if config.database_url else [POSTGRES]
    names += [] if config.nats_url else [NATS]
    names += [] if config.live else [SANDBOX]
    return names


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the processes of one stack find around them. `database_url` and `nats_url` are an administrator's."""

    config: StackConfig
    layout: Layout
    ports: Mapping[str, int]
    secrets: Secrets = field(repr=False)
    certificates: Mapping[str, CertificateFiles]
    database_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    database_urls: Mapping[str, str] = field(repr=False)

    def launch(self, replica: Replica, verb: str = "serve") -> Launch:
        """How to start a process, or another of its service's commands (`migrate`). Writes its secret files."""
        service = replica.service
        write_service_secrets(self.layout, service.name, self._secret_files(service))
        return Launch(
            name=replica.name,
            command=(sys.executable, "-m", f"{self.config.services_package}.{service.name}", verb),
            log_file=self.layout.log(replica.name),
            environment={**QUIET, **self.config.passed_on, **self._environment(replica)},
            directory=ROOT,
        )

    def launch_sandbox(self) -> Launch:
        """How to start the sandbox exchange."""
        options = ("--host", LOOPBACK, "--port", str(self.ports[SANDBOX]), "--data", str(self.layout.sandbox))
        return Launch(
            name=SANDBOX,
            command=(sys.executable, "-m", self.config.sandbox_module, *options),
            log_file=self.layout.log(SANDBOX),
            environment=dict(self.config.passed_on),
            directory=ROOT,
        )

    @property
    def sandbox_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports[SANDBOX]}"

    def gateway_url(self, replica: Replica) -> str:
        """Where a gateway is reached on this machine."""
        return self.config.gateway_url if replica.number == 1 else f"http://{LOOPBACK}:{self.ports[replica.public]}"

    def _environment(self, replica: Replica) -> dict[str, str]:
        service = replica.service
        files = self.certificates[service.name]
        address, user, _ = split_nats_url(self.nats_url)
        environment = {
            "SECRETS_DIR": str(self.layout.secrets(service.name)),
            "NATS_URL": address,
            "ADMIN_LISTEN": f"{LOOPBACK}:{self.ports[replica.admin]}",
            "TLS_CERT_FILE": str(files.certificate),
            "TLS_KEY_FILE": str(files.key),
            "TLS_CA_FILE": str(files.authority),
            "EXCHANGE_MODE": "live" if self.config.live else "sandbox",
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
        }
        if not self.config.nats_url:
            environment["NATS_USER"] = service.name
        elif user is not None:
            environment["NATS_USER"] = user
        if not self.config.live:
            environment["EXCHANGE_SANDBOX_URL"] = self.sandbox_url
            environment["WEBHOOK_LOOPBACK"] = "true"
        if service.serves_grpc:
            environment["GRPC_LISTEN"] = f"{LOOPBACK}:{self.ports[replica.public]}"
        else:
            environment["GATEWAY_HOST"] = self.config.gateway_host
            first = replica.number == 1
            environment["GATEWAY_PORT"] = str(self.config.gateway_port if first else self.ports[replica.public])
        for called in SERVICES:
            if called.name in service.calls:
                ports = [self.ports[other.public] for other in replicas_of(called, self.config)]
                addresses = ",".join(f"{LOOPBACK}:{port}" for port in ports)
                environment[f"{called.name.upper()}_TARGET"] = f"ipv4:{addresses}"
        return environment

    def _secret_files(self, service: Service) -> dict[str, str]:
        values = {"database_url": self.database_urls[service.name]}
        if not self.config.nats_url:
            values["nats_password"] = self.secrets.nats_passwords[service.name]
        else:
            _, _, password = split_nats_url(self.config.nats_url)
            values |= {} if password is None else {"nats_password": password}
        own = {name: getattr(self.secrets, name) for name in ("encryption_keys", "jwt_secret", "webhook_key")}
        values |= {name: own[name] for name in service.secrets}
        if "jwt_secret" in service.secrets and self._offers_demo:
            values["gateway_demo_token"] = mint_token(self.secrets.jwt_secret, DEMO_USER_ID, "user", datetime.now(UTC))
        return values

    @property
    def _offers_demo(self) -> bool:
        """Whether anybody who reaches the gateway may be the demo user: on the sandbox, and from this machine only."""
        return not self.config.live and self.config.gateway_host in (LOOPBACK, "localhost", "::1")
