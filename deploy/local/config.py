"""What a person tells the stack, by environment and command line.

Invariants: this module alone reads the environment; settings that the stack itself decides never reach a service from
outside; an administrator's database URL never reaches a service at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.local.errors import StackError
from deploy.local.ports import LOOPBACK, choose_port
from deploy.local.supervisor import Liveness

DEFAULT_DIRECTORY = Path(".local")
DEFAULT_GATEWAY_PORT = 3333
HIGHEST_PORT = 65_535
MOST_REPLICAS = 5
# Decided by the stack, or by the secret files that it writes: not passed on as they are.
DECIDED_HERE = frozenset(
    {
        *("DATABASE_URL", "NATS_URL", "NATS_USER", "NATS_PASSWORD", "SECRETS_DIR", "ENCRYPTION_KEYS"),
        *("GRPC_LISTEN", "ADMIN_LISTEN", "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CA_FILE"),
        *("POSITIONS_TARGET", "RECONCILER_TARGET", "MONITOR_TARGET", "EXCHANGE_MODE", "EXCHANGE_SANDBOX_URL"),
        # Without compiled modules on disk every start would compile them again, which takes longer than all the rest.
        "PYTHONDONTWRITEBYTECODE",
        *("REPLICAS", "JWT_SECRET", "JWT_ISSUER", "JWT_AUDIENCE", "GATEWAY_HOST", "GATEWAY_PORT", "GATEWAY_DEMO_TOKEN"),
    }
)


@dataclass(frozen=True, slots=True)
class StackConfig:
    """One stack: where its data lies, where the gateway listens, and whose servers it uses.

    `database_url` (an administrator's) and `nats_url` are None for the embedded servers. `live` means the real
    exchanges: no sandbox and no demo account. `throwaway` trades durability for speed (tests). `jwt_secret` and
    `encryption_keys` are None where the stack makes its own. The services are modules of `services_package`, and each
    runs `replicas` times. Without `liveness` a process that hangs is left as it is.
    """

    directory: Path
    gateway_host: str
    gateway_port: int
    database_url: str | None = field(default=None, repr=False)
    nats_url: str | None = field(default=None, repr=False)
    live: bool = False
    throwaway: bool = False
    liveness: Liveness | None = None
    replicas: int = 1
    jwt_secret: str | None = field(default=None, repr=False)
    encryption_keys: str | None = field(default=None, repr=False)
    services_package: str = "services"
    sandbox_module: str = "deploy.sandbox"
    passed_on: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def gateway_url(self) -> str:
        """Where a person on this machine reaches the gateway."""
        host = LOOPBACK if self.gateway_host in ("0.0.0.0", "::") else self.gateway_host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.gateway_port}"


def read_config(
    environment: Mapping[str, str],
    directory: Path = DEFAULT_DIRECTORY,
    *,
    throwaway: bool = False,
    leave_hung: bool = False,
) -> StackConfig:
    """Read the stack's settings. Raises StackError that names the setting which is wrong."""
    mode = environment.get("EXCHANGE_MODE") or "sandbox"
    if mode not in ("sandbox", "live"):
        raise StackError("EXCHANGE_MODE is neither sandbox nor live: choose one, or leave it out for the sandbox")
    database_url = environment.get("DATABASE_URL") or None
    if database_url and urlsplit(database_url).scheme not in ("postgresql", "postgres"):
        raise StackError("DATABASE_URL is not an address: use postgresql://user:password@host:port/database")
    nats_url = environment.get("NATS_URL") or None
    if nats_url and urlsplit(nats_url).scheme not in ("nats", "tls"):
        raise StackError("NATS_URL is not an address: use nats://user:password@host:port")
    return StackConfig(
        directory=directory.absolute(),
        gateway_host=environment.get("GATEWAY_HOST") or LOOPBACK,
        gateway_port=_gateway_port(environment.get("GATEWAY_PORT") or str(DEFAULT_GATEWAY_PORT)),
        database_url=database_url,
        nats_url=nats_url,
        live=mode == "live",
        throwaway=throwaway,
        liveness=None if leave_hung else Liveness(),
        replicas=_replicas(environment.get("REPLICAS") or "1"),
        jwt_secret=environment.get("JWT_SECRET") or None,
        encryption_keys=environment.get("ENCRYPTION_KEYS") or None,
        passed_on={name: value for name, value in environment.items() if name not in DECIDED_HERE},
    )


def _gateway_port(text: str) -> int:
    """The port asked for; 0 means any that is free."""
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise StackError(f"GATEWAY_PORT is not a port: choose a number from 1 to {HIGHEST_PORT}")
    return int(text) or choose_port()


def _replicas(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_REPLICAS:
        raise StackError(f"REPLICAS is not a number of processes: choose one from 1 to {MOST_REPLICAS}")
    return int(text)


def split_nats_url(url: str) -> tuple[str, str | None, str | None]:
    """Split a NATS URL into the server's address, the user and the password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return f"{parts.scheme}://{host}", user, password
