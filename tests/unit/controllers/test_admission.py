"""The webhook over TLS, asked as an API server asks."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kaito.controllers.admission import PATH, Serve, check, start

GOOD = {
    "apiVersion": "kaito.sh/v1beta1",
    "kind": "Workspace",
    "metadata": {"name": "demo", "namespace": "default"},
    "resource": {"labelSelector": {"matchLabels": {"apps": "demo"}}},
    "inference": {"preset": {"name": "kaito-demo"}},
}


def asked(obj: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"uid": "u", "operation": "CREATE", "object": obj, **more}


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        ({**GOOD, "inferense": {}}, "inferense"),
        ({key: value for key, value in GOOD.items() if key != "inference"}, "inference"),
        ({**GOOD, "tuning": {"preset": {"name": "kaito-demo"}}}, "tuning"),
        ({**GOOD, "metadata": {"name": "x" * 64, "namespace": "default"}}, "name"),
        ({**GOOD, "inference": {"preset": {"name": "p"}, "template": {"spec": {"containers": []}}}}, "template"),
    ],
    ids=["unknown-field", "neither", "both", "long-name", "preset-and-template"],
)
def test_refusals_name_the_field(obj: dict[str, Any], said: str) -> None:
    why = check(asked(obj))
    assert why is not None
    assert said in why


@pytest.mark.parametrize(
    "request_",
    [
        asked(GOOD),
        asked({**GOOD, "apiVersion": "kaito.sh/v1alpha1"}),
        asked({**GOOD, "bad": 1}, operation="UPDATE", subResource="status"),
        asked({**GOOD, "bad": 1, "metadata": {"name": "d", "deletionTimestamp": "t"}}, operation="UPDATE"),
        {"uid": "u", "operation": "DELETE", "oldObject": {**GOOD, "bad": 1}},
        asked(GOOD, operation="UPDATE", oldObject={**GOOD, "later": 1}),
    ],
    ids=["good", "v1alpha1", "status", "deleting", "delete", "old-has-more"],
)
def test_what_must_pass_passes(request_: dict[str, Any]) -> None:
    assert check(request_) is None


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


async def test_over_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    runner = await start(Serve("127.0.0.1", 0, cert, key))
    try:
        url = f"https://127.0.0.1:{runner.addresses[0][1]}{PATH}"
        trust = ssl.create_default_context(cafile=str(cert))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked(GOOD)}
            async with session.post(url, json=review) as response:
                assert (await response.json())["response"] == {"uid": "u", "allowed": True}
            review["request"] = asked({**GOOD, "inferense": {}})
            async with session.post(url, json=review) as response:
                answer = (await response.json())["response"]
            assert answer["allowed"] is False
            assert answer["status"]["code"] == 400
            assert answer["status"]["message"].startswith("decoding request failed: ")
            async with session.post(url, data=b"[]") as response:
                assert response.status == 400
    finally:
        await runner.cleanup()
