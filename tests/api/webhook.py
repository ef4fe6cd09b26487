"""An HTTPS server on the loopback that answers admission reviews as a test decides."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Object = dict[str, Any]
Answer = Callable[[Object], Object]


@dataclass
class Webhook:
    """Where it listens, whom it is to be trusted by, and the requests that it got."""

    url: str
    ca_bundle: str
    requests: list[Object] = field(default_factory=list)

    def config(self, **more: Any) -> Object:
        return {"url": self.url, "caBundle": self.ca_bundle, **more}

    def names(self) -> list[tuple[str, str]]:
        """The operation and the object's name of each admission request."""
        return [(request["operation"], request["name"]) for request in self.requests]


@contextmanager
def serving(tmp: Path, answer: Answer) -> Iterator[Webhook]:
    """Serve ``answer``: from the `request` of a review to its `response`, without the uid."""
    pem = certificate(tmp)
    hook = Webhook("", base64.b64encode(pem.read_bytes().split(b"-----BEGIN EC")[0]).decode())

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            hook.requests.append(request)
            response = {"uid": request["uid"], **answer(request)}
            body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.url = f"https://127.0.0.1:{server.server_address[1]}/review"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(tmp: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp / "webhook.pem"
    text = made.public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem.write_bytes(text + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return pem
