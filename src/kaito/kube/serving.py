"""The TLS side of a server whose certificate changes while it serves."""

import ssl
import tempfile
from pathlib import Path

from kaito.kube.certificates import Material


class ServingContext:
    """``context`` is for the server; new connections get the latest certificate, those that are open go on."""

    def __init__(self) -> None:
        self.context = _server()
        self.context.sni_callback = self._choose
        self._current: ssl.SSLContext | None = None

    @property
    def ready(self) -> bool:
        """False while there is no certificate: every handshake is refused then."""
        return self._current is not None

    def use(self, material: Material) -> None:
        """Serve with this from the next connection on. Raises ssl.SSLError for what is no pair."""
        fresh = _server()
        # The library reads certificates from files only; this one is the owner's alone, and gone at once.
        with tempfile.TemporaryDirectory() as folder:
            pem = Path(folder, "pair.pem")
            pem.touch(mode=0o600)
            pem.write_bytes(material.certificate + b"\n" + material.key)
            fresh.load_cert_chain(pem)
        self._current = fresh

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


def _server() -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
