"""A throwaway certificate authority and one certificate per service, for mutual TLS on this machine.

Invariants: a service's identity is the URI `spiffe://tandem/<service>` in its certificate; keys can be read by their
owner only; a file is replaced in one step, so whoever re-reads it never sees half of one.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.ports import LOOPBACK

OPERATOR = "operator"
IDENTITIES = ("positions", "reconciler", "monitor", "gateway", OPERATOR)
AUTHORITY_LIFETIME = timedelta(days=365)
LIFETIME = timedelta(days=7)
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """What one service needs to prove who it is and to check others."""

    certificate: Path
    key: Path
    authority: Path


def issue_certificates(
    directory: Path, now: datetime, identities: Sequence[str] = IDENTITIES
) -> dict[str, CertificateFiles]:
    """Make sure that every identity has a certificate with more than half of its life left; returns the files of each.

    `now` is aware UTC. What is still good is left alone; a new authority makes all certificates anew.
    """
    directory.mkdir(parents=True, exist_ok=True)
    authority_file, authority_key_file = directory / "ca.pem", directory / "ca.key"
    renewed = not _is_good(authority_file, authority_key_file, now, AUTHORITY_LIFETIME / 12)
    if renewed:
        _make_authority(authority_file, authority_key_file, now)
    authority = x509.load_pem_x509_certificate(authority_file.read_bytes())
    authority_key = _load_key(authority_key_file)
    issued = {}
    for identity in identities:
        files = CertificateFiles(directory / f"{identity}.pem", directory / f"{identity}.key", authority_file)
        if renewed or not _is_good(files.certificate, files.key, now, LIFETIME / 2):
            _make_certificate(identity, files, authority, authority_key, now)
        issued[identity] = files
    return issued


def _is_good(certificate_file: Path, key_file: Path, now: datetime, margin: timedelta) -> bool:
    """Tell whether a certificate exists with its own key and stays valid for at least the margin."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = _load_key(key_file)
    except (OSError, ValueError):
        return False
    return certificate.public_key() == key.public_key() and certificate.not_valid_after_utc - now > margin


def _make_authority(certificate_file: Path, key_file: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tandem local authority")])
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(certificate_file, key_file, certificate, key)


def _make_certificate(
    identity: str,
    files: CertificateFiles,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)])
    alternatives = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier(f"spiffe://tandem/{identity}"),
            x509.DNSName(identity),
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address(LOOPBACK)),
        ]
    )
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    authority_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(name, authority.subject, key.public_key(), now, LIFETIME)
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(authority_identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write_pair(files.certificate, files.key, certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _load_key(key_file: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key_file} does not hold an elliptic curve key")
    return key


def _write_pair(
    certificate_file: Path, key_file: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _replace(key_file, private, 0o600)
    _replace(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
