"""The webhook over TLS, asked as an API server asks."""

import datetime
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kaito.api.webhooks import CONVERT_PATH
from kaito.controllers.admission import PATH, Serve, app, check, requested, start

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


async def test_a_stored_object_nested_deeper_than_admission_allows_is_still_converted() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    obj = {**GOOD, "inference": {"template": deep}}
    request = {"uid": "u", "desiredAPIVersion": "kaito.sh/v1alpha1", "objects": [obj]}
    async with TestClient(TestServer(app())) as client:
        response = await client.post(CONVERT_PATH, json={"request": request})
        answer = (await response.json())["response"]
    assert answer["result"] == {"status": "Success"}
    assert answer["convertedObjects"][0]["inference"] == obj["inference"]


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


@pytest.mark.parametrize(
    "request_",
    [
        {"uid": 1, "operation": "CREATE", "object": GOOD},
        {"uid": "u", "operation": "CREATE", "object": [GOOD]},
        {"uid": "u", "operation": "UPDATE", "object": GOOD, "oldObject": "text"},
        {"uid": "u", "operation": "DELETE", "oldObject": GOOD, "userInfo": "ann"},
        {"operation": "CREATE", "object": GOOD},
    ],
    ids=["uid", "object", "oldObject", "userInfo", "no-uid"],
)
def test_a_review_of_the_wrong_shape_is_no_review(request_: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="AdmissionReview"):
        requested(json.dumps({"request": request_}).encode())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"metadata": "demo"}, "metadata: 'demo' is no map"),
        ({"metadata": {"name": "demo", "annotations": []}}, "metadata.annotations: [] must be a map"),
        ({"kind": "ModelMirror", "apiVersion": "kaito.sh/v1alpha1"}, "kind: 'ModelMirror' is not judged"),
        ({"inference": {"template": {"a": [[[]]] * 1000, "b\n\x1b": 1}}, "x\n\x1b": 1}, r'["x\n\x1b"]: is not a field'),
    ],
    ids=["metadata", "annotations", "another-kind", "control-characters"],
)
def test_what_no_api_server_sends_is_refused_all_the_same(more: dict[str, Any], said: str) -> None:
    why = check(asked(GOOD | more))
    assert why is not None
    assert said in why
    assert "\x1b" not in why


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
