"""The settings that the parts under test read, as plain objects."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from deploy.local.certificates import CertificateFiles


@dataclass(frozen=True)
class RpcSettings:
    """Of a server and of a channel."""

    tls_cert_file: Path
    tls_key_file: Path
    tls_ca_file: Path
    grpc_listen: str = "127.0.0.1:0"
    grpc_max_connection_age_seconds: int = 300
    rpc_timeout_seconds: float = 5

    @classmethod
    def of(cls, files: CertificateFiles, **others: object) -> "RpcSettings":
        """Those of the service whose certificate this is."""
        return cls(files.certificate, files.key, files.authority, **others)  # type: ignore[arg-type]


@dataclass(frozen=True)
class NatsSettings:
    """Of a bus."""

    nats_url: str
    nats_user: str | None = None
    nats_password: SecretStr | None = field(default=None)

    @classmethod
    def of(cls, url: str, user: str, password: str) -> "NatsSettings":
        """Those of the service that logs in so."""
        return cls(url, user, SecretStr(password))
