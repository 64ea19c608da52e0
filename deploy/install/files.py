"""The files of one installation below one directory: what each process is given, and nothing that it does not need.

    <directory>/secrets/<service>/<setting>               read by the service as $SECRETS_DIR
    <directory>/tls/<service>/{tls.crt,tls.key,ca.crt}    its certificate
    <directory>/secrets.json, <directory>/certificates/   what all of it is made of: keep it safe, and keep it
    <directory>/postgres_password, <directory>/nats.conf  for the two servers

Invariants: a secret that exists is never made anew; a file that holds one can be read by its owner only.
"""

import shutil
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from deploy.local.certificates import issue_certificates
from deploy.local.config import StackConfig
from deploy.local.database import SERVICES, service_url
from deploy.local.demo import USER_ID as DEMO_USER_ID
from deploy.local.layout import Layout, write_private
from deploy.local.nats import NatsLauncher
from deploy.local.ports import LOOPBACK
from deploy.local.processes import SERVICES as PROCESSES
from deploy.local.secrets import Secrets, load_secrets, write_service_secrets
from deploy.local.token import mint_token

NATS_PORT = 4222
NATS_STORE = Path("/data")


def keep_secrets(directory: Path) -> Secrets:
    """The secrets of the installation, made where they are missing. Raises StackError where they cannot be read."""
    layout = Layout(directory)
    directory.mkdir(parents=True, exist_ok=True)
    return load_secrets(layout, StackConfig(directory, LOOPBACK, 0))


def service_secrets(secrets: Secrets, service: str, database_address: str) -> dict[str, str]:
    """A service's secret settings by name. `database_address` is host:port of Postgres."""
    process = next(process for process in PROCESSES if process.name == service)
    return {
        "database_url": service_url(f"postgresql://{database_address}", service, secrets.database_passwords[service]),
        "nats_password": secrets.nats_passwords[service],
        **{name: getattr(secrets, name) for name in process.secrets},
    }


def admin_database_url(secrets: Secrets, database_address: str) -> str:
    """The administrator's URL of a Postgres that was started with this installation's own password."""
    return f"postgresql://postgres:{quote(secrets.postgres_password, safe='')}@{database_address}/postgres"


def write_files(directory: Path, secrets: Secrets, database_address: str, now: datetime, *, demo: bool = False) -> None:
    """Write every process's files. `now` is aware UTC; a certificate with half of its life left is kept.

    `demo`: whoever reaches the gateway may be the demo user, as on the local stack's sandbox.
    """
    layout = Layout(directory)
    certificates = issue_certificates(layout.certificates, now, SERVICES)
    for service in SERVICES:
        values = service_secrets(secrets, service, database_address)
        if demo and "jwt_secret" in values:
            values["gateway_demo_token"] = mint_token(secrets.jwt_secret, DEMO_USER_ID, "user", now)
        write_service_secrets(layout, service, values)
        files = certificates[service]
        tls = directory / "tls" / service
        tls.mkdir(parents=True, exist_ok=True)
        _replace(files.certificate, tls / "tls.crt")
        _replace(files.key, tls / "tls.key")
        _replace(files.authority, tls / "ca.crt")
    write_private(directory / "postgres_password", secrets.postgres_password)
    write_private(directory / "nats.conf", nats_configuration(secrets))


def nats_configuration(secrets: Secrets) -> str:
    """A NATS server's configuration: a user for each service, with rights to its own subjects alone."""
    launcher = NatsLauncher(Path(), NATS_PORT, secrets.nats_passwords, Path())
    return launcher.configuration("0.0.0.0", NATS_STORE)  # noqa: S104 - a container's own address


def _replace(source: Path, target: Path) -> None:
    """Copy a file with its mode, in one step."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.copy(source, fresh)
    fresh.replace(target)
