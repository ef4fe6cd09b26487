"""Who the embedded API server is: its own CA, a server certificate, and the one bearer token that may enter."""

import datetime
import ipaddress
import json
import os
import secrets
import ssl
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kaito.kube.certificates import builder

_YEAR = datetime.timedelta(days=365)
_RENEW = datetime.timedelta(days=30)


class IdentityError(Exception):
    """The keys cannot be kept; the message names the path, the cause and the remedy."""


@dataclass(frozen=True)
class Identity:
    """What a server proves itself with, and what a client must show."""

    ca_pem: bytes
    token: str
    context: ssl.SSLContext
    ca_file: Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, wholly or not at all. Raises IdentityError."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the first byte on
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as exc:
        raise IdentityError(f"{path} cannot be written: {exc.strerror}. Choose another folder or free space.") from exc


def ensure(state_dir: Path, hosts: Sequence[str]) -> Identity:
    """The identity kept in ``state_dir``/pki, made at the first call.

    The CA lasts ten years; a server certificate that ends within 30 days, that is for other hosts, or that cannot be
    read is made anew under the same CA. Raises IdentityError.
    """
    folder = state_dir / "pki"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as exc:
        raise IdentityError(f"{folder} cannot be made: {exc.strerror}. Choose another folder.") from exc
    ca_file, server_file, token_file = folder / "ca.pem", folder / "server.pem", folder / "token"
    ca = _load(ca_file)
    if ca is None:
        ca = _make_ca()
        write_private(ca_file, _pem(*ca))
        server_file.unlink(missing_ok=True)
    server = _load(server_file)
    if server is None or not _good(server[0], ca[0], hosts):
        server = _make_server(ca, hosts)
        write_private(server_file, _pem(*server))
    token = token_file.read_text().strip() if token_file.exists() else ""
    if len(token) < 32:
        token = secrets.token_urlsafe(32)
        write_private(token_file, token.encode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(server_file)
    ca_pem = ca[0].public_bytes(serialization.Encoding.PEM)
    public = folder / "ca.crt"
    if not public.exists() or public.read_bytes() != ca_pem:
        write_private(public, ca_pem)
    return Identity(ca_pem, token, context, public)


def issue(state_dir: Path, name: str, hosts: Sequence[str]) -> Path:
    """A server certificate of the cluster's CA for something beside the API server: one PEM file with its key.

    Kept in ``state_dir``/pki under ``name`` and renewed like the server's own. Call `ensure` first. Raises
    IdentityError.
    """
    folder = state_dir / "pki"
    ca, file = _load(folder / "ca.pem"), folder / f"{name}.pem"
    if ca is None:
        raise IdentityError(f"{folder / 'ca.pem'} is missing or damaged. Delete {folder} and start again.")
    found = _load(file)
    if found is None or not _good(found[0], ca[0], hosts):
        write_private(file, _pem(*_make_server(ca, hosts)))
    return file


def kubeconfig(identity: Identity, url: str, name: str = "kaito") -> str:
    """A kubeconfig with one context. JSON, which is YAML too."""
    ca = b64encode(identity.ca_pem).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": ca}}],
        "users": [{"name": name, "user": {"token": identity.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    return json.dumps(config, indent=2) + "\n"


Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _load(path: Path) -> Pair | None:
    """The certificate and key of a file; None when it is missing or damaged."""
    try:
        raw = path.read_bytes()
        key = serialization.load_pem_private_key(raw, None)
        certificate = x509.load_pem_x509_certificate(raw)
    except (OSError, ValueError):
        return None
    return (certificate, key) if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return names


def _good(certificate: x509.Certificate, ca: x509.Certificate, hosts: Sequence[str]) -> bool:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    fresh = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) > _RENEW
    return fresh and certificate.issuer == ca.subject and set(names) == set(_names(hosts))


def _make_ca() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kaito local {secrets.token_hex(4)}")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    public = key.public_key()
    now = datetime.datetime.now(datetime.UTC)
    made = builder(name, name, public, now, life=10 * _YEAR)
    made = made.add_extension(x509.BasicConstraints(True, 0), critical=True)
    made = made.add_extension(usage, critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    return made.sign(key, hashes.SHA256()), key


def _make_server(ca: Pair, hosts: Sequence[str]) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kaito local API server")])
    public, issuer = key.public_key(), ca[1].public_key()
    made = builder(name, ca[0].subject, public, datetime.datetime.now(datetime.UTC))
    made = made.add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    made = made.add_extension(x509.BasicConstraints(False, None), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    return made.sign(ca[1], hashes.SHA256()), key
