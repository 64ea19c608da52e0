"""A service's certificate files, noticed when they change, and when they run out.

Invariants: a key and certificate that do not belong together (a rotation half written) are never used: the pair before
stays in use until the files make a pair again. When it runs out is told of what is in use, not of what the files hold.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from prometheus_client import CollectorRegistry, Gauge

from services.common.errors import StartupError

_log = structlog.get_logger(__name__)


Stamp = tuple[tuple[int, int, int], ...]


class TlsSettings(Protocol):
    """The settings that name the files."""

    @property
    def tls_cert_file(self) -> Path: ...
    @property
    def tls_key_file(self) -> Path: ...
    @property
    def tls_ca_file(self) -> Path: ...


@dataclass(frozen=True)
class Credentials:
    """PEM bytes of one moment, and when (aware UTC) the first certificate of a file runs out."""

    certificate: bytes
    key: bytes
    authority: bytes
    certificate_ends: datetime
    authority_ends: datetime

    def __repr__(self) -> str:
        return "Credentials(…)"


class CertificateFiles:
    """Reads the files at first and again whenever one of them has changed. Safe to call from any thread."""

    def __init__(self, settings: TlsSettings) -> None:
        self._paths = (settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file)
        try:
            self._stamp = self._stat()
            self._credentials = self._read()
        except (OSError, ValueError) as error:
            names = ", ".join(str(path) for path in self._paths)
            raise StartupError(f"TLS files cannot be used ({names}): {error}") from error
        self._refused: Stamp | None = None

    def current(self) -> Credentials:
        """The newest whole set; the same object for as long as the files stay the same."""
        try:
            stamp = self._stat()
        except OSError:
            return self._credentials  # a file is being replaced
        if stamp not in (self._stamp, self._refused):
            try:
                self._credentials = self._read()
            except (OSError, ValueError) as error:
                self._refused = stamp
                _log.warning("certificate files cannot be used, keeping those before", error=str(error))
            else:
                self._stamp = stamp
                _log.info("certificate files read again")
        return self._credentials

    def _stat(self) -> Stamp:
        found = [path.stat() for path in self._paths]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)

    def _read(self) -> Credentials:
        certificate, key, authority = (path.read_bytes() for path in self._paths)
        chain, authorities = (x509.load_pem_x509_certificates(pem) for pem in (certificate, authority))
        own = chain[0].public_key()
        private = load_pem_private_key(key, None).public_key()
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if own.public_bytes(*form) != private.public_bytes(*form):
            raise ValueError("the key is not the certificate's")
        return Credentials(certificate, key, authority, _first_end(chain), _first_end(authorities))


def show_expiry(files: CertificateFiles, registry: CollectorRegistry) -> None:
    """Show when the certificates in use run out, as they are whenever somebody looks."""

    def own() -> float:
        return files.current().certificate_ends.timestamp()

    def authority() -> float:
        return files.current().authority_ends.timestamp()

    expiry = Gauge(
        "tandem_certificate_expiry_timestamp_seconds",
        "When the process's own certificate, or the first of the authorities that it trusts, runs out.",
        ["certificate"],
        registry=registry,
    )
    expiry.labels("own").set_function(own)
    expiry.labels("authority").set_function(authority)


def _first_end(certificates: list[x509.Certificate]) -> datetime:
    # A chain is broken by the first that runs out; of several authorities nobody knows here which signed whom.
    return min(certificate.not_valid_after_utc for certificate in certificates)
