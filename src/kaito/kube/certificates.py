"""Certificates of a webhook server that nobody but its own API server has to trust: when to renew them, and how.

They live in a Secret that all replicas share. A renewal has two steps, so that no call fails meanwhile: first the new
authority is added to the bundle of trust, and only after `SETTLE`, when the API server has surely read it, does the new
certificate serve. The old authority stays in the bundle until it ends. An authority's key is thrown away at once: it
signs one certificate and no more. Pure but for the random numbers of the keys; the time is an argument.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=365)
RENEW = timedelta(days=30)
SETTLE = timedelta(hours=1)
_SKEW = timedelta(hours=1)
_AGAIN = timedelta(hours=12)
_FIELDS = {
    "server-key.pem": "key",
    "server-cert.pem": "certificate",
    "ca-cert.pem": "ca_bundle",
    "next-server-key.pem": "next_key",
    "next-server-cert.pem": "next_certificate",
}


@dataclass(frozen=True)
class Material:
    """What a server serves with, and the authorities by which its clients know it; all PEM."""

    key: bytes
    certificate: bytes
    ca_bundle: bytes

    @property
    def bundle(self) -> str:
        """The authorities as `caBundle` fields have them: base64."""
        return b64encode(self.ca_bundle).decode()


@dataclass(frozen=True)
class Kept(Material):
    """What the Secret holds: `Material`, and during a renewal the pair that will serve next."""

    next_key: bytes = b""
    next_certificate: bytes = b""

    @staticmethod
    def of(data: Mapping[str, str]) -> "Kept":
        """A Secret's `data`; what is missing, or is not base64, is empty."""
        return Kept(**{field: decoded(data.get(name) or "") for name, field in _FIELDS.items()})

    @property
    def data(self) -> dict[str, str]:
        """The Secret's `data`; a key whose value is empty is left out."""
        values = {name: getattr(self, field) for name, field in _FIELDS.items()}
        return {name: b64encode(value).decode() for name, value in values.items() if value}

    @property
    def material(self) -> Material:
        return Material(self.key, self.certificate, self.ca_bundle)


class Step(StrEnum):
    """What is to be done with the certificates."""

    KEEP = "keep"
    MAKE = "make"
    PREPARE = "prepare"
    PROMOTE = "promote"
    TRIM = "trim"


def step(kept: Kept, hosts: Sequence[str], now: datetime) -> Step:
    """What is due at ``now``. What still serves the ``hosts`` is never made anew, whoever made it."""
    if not _serves(kept.certificate, kept.key, kept.ca_bundle, hosts, now):
        ready = _serves(kept.next_certificate, kept.next_key, kept.ca_bundle, hosts, now)
        return Step.PROMOTE if ready else Step.MAKE
    (current,) = _certificates(kept.certificate)[:1]
    if current.not_valid_after_utc - now <= RENEW:
        if not _serves(kept.next_certificate, kept.next_key, kept.ca_bundle, hosts, now):
            return Step.PREPARE
        if now >= _made(kept.next_certificate) + SETTLE:
            return Step.PROMOTE
    ended = any(one.not_valid_after_utc <= now for one in _certificates(kept.ca_bundle))
    return Step.TRIM if ended else Step.KEEP


def take(what: Step, kept: Kept, hosts: Sequence[str], now: datetime) -> Kept:
    """What the Secret holds after a step."""
    bundle = _valid(kept.ca_bundle, now)
    if what is Step.MAKE:
        key, certificate, ca = issue(hosts, now)
        return Kept(key, certificate, ca + bundle)
    if what is Step.PREPARE:
        key, certificate, ca = issue(hosts, now)
        return replace(kept, next_key=key, next_certificate=certificate, ca_bundle=ca + bundle)
    if what is Step.PROMOTE:
        return Kept(kept.next_key, kept.next_certificate, bundle)
    return replace(kept, ca_bundle=bundle) if what is Step.TRIM else kept


def due(kept: Kept, now: datetime) -> timedelta:
    """How long nothing has to be done; at most half a day, since the clocks of machines are set."""
    if kept.next_certificate:
        wait = _made(kept.next_certificate) + SETTLE - now
    else:
        wait = min(one.not_valid_after_utc for one in _certificates(kept.certificate)) - RENEW - now
    return max(timedelta(seconds=1), min(wait, _AGAIN))


def issue(hosts: Sequence[str], now: datetime) -> tuple[bytes, bytes, bytes]:
    """(key, certificate, authority) in PEM: a server certificate for DNS names, and the authority made for it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name(f"webhook authority {x509.random_serial_number() & 0xFFFFFFFF:08x}")
    ca_public = ca_key.public_key()
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = (
        builder(ca_name, ca_name, ca_public, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_public), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    served = (
        builder(_name("webhook server"), ca_name, key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_public), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return key.private_bytes(pem, form, none), served.public_bytes(pem), ca.public_bytes(pem)


def pair_problem(certificate: bytes, key: bytes) -> str | None:
    """Why a certificate and a key are no pair; None when they are."""
    found = _certificates(certificate)
    if not found:
        return "there is no certificate in PEM"
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return "there is no private key in PEM without a password"
    public = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*public) != found[0].public_key().public_bytes(*public):
        return "the private key is not the certificate's"
    return None


def _serves(certificate: bytes, key: bytes, bundle: bytes, hosts: Sequence[str], now: datetime) -> bool:
    """Whether a pair is whole, valid now, for the hosts, and of an authority in the bundle that is valid too."""
    if pair_problem(certificate, key) is not None:
        return False
    one = _certificates(certificate)[0]
    try:
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if not set(hosts) <= set(names.get_values_for_type(x509.DNSName)):
        return False
    return _valid_at(one, now) and any(_signed(one, ca) and _valid_at(ca, now) for ca in _certificates(bundle))


def _signed(one: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _valid_at(one: x509.Certificate, now: datetime) -> bool:
    return one.not_valid_before_utc <= now < one.not_valid_after_utc


def _valid(bundle: bytes, now: datetime) -> bytes:
    """The authorities of a bundle that have not ended."""
    kept = [one for one in _certificates(bundle) if one.not_valid_after_utc > now]
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in kept)


def _made(certificate: bytes) -> datetime:
    """When `issue` made it."""
    return _certificates(certificate)[0].not_valid_before_utc + _SKEW


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem) if pem else []
    except ValueError:
        return []


def decoded(text: str) -> bytes:
    """Base64 as bytes; what is no base64 is empty."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, *, life: timedelta = LIFE
) -> x509.CertificateBuilder:
    """A certificate to be: valid from an hour before ``now``, for clocks that are behind, until ``life`` after it."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )
