"""A service's certificate files, noticed when they change.

Invariants: a key and certificate that do not belong together (a rotation half written) are never used: the pair before
stays in use until the files make a pair again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

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
    """PEM bytes of one moment."""

    certificate: bytes
    key: bytes
    authority: bytes

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
        own = x509.load_pem_x509_certificate(certificate).public_key()
        private = load_pem_private_key(key, None).public_key()
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if own.public_bytes(*form) != private.public_bytes(*form):
            raise ValueError("the key is not the certificate's")
        x509.load_pem_x509_certificates(authority)
        return Credentials(certificate, key, authority)
