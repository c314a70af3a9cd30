"""A project's key endpoint on loopback, as it is on good days and on bad ones."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.demo.server import HOST

PATH = "/auth/v1/.well-known/jwks.json"


class Fault(Enum):
    """What an endpoint out of order does."""

    STALLS = auto()
    DRIPS = auto()
    REDIRECTS = auto()
    FAILS = auto()
    IS_MISSING = auto()
    TALKS_GARBAGE = auto()
    ANSWERS_A_LIST = auto()
    ANSWERS_KEYS_THAT_ARE_NO_LIST = auto()
    NESTS_DEEPLY = auto()
    NEVER_ENDS = auto()
    DROPS = auto()
    ENDS_TOO_EARLY = auto()
    SPEAKS_NO_HTTP = auto()


BODIES: dict[Fault | None, bytes] = {
    Fault.TALKS_GARBAGE: b"<html>\xff\x00</html>",
    Fault.ANSWERS_A_LIST: b"[]",
    Fault.ANSWERS_KEYS_THAT_ARE_NO_LIST: b'{"keys":{"kid":"a"}}',
    Fault.NESTS_DEEPLY: b'{"keys":' + b"[" * 30_000,
}
STATUSES: dict[Fault | None, int] = {Fault.FAILS: 503, Fault.IS_MISSING: 404}


@dataclass
class KeyEndpoint:
    """`keys` are what it answers, `fault` is what is wrong with it, `asked` counts the requests by path."""

    url: str = ""
    keys: list[Any] = field(default_factory=list)
    fault: Fault | None = None
    delay_seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def key_endpoint(
    *keys: Any,  # noqa: ANN401 - keys as they should be, and as they should not
    tls: ssl.SSLContext | None = None,
) -> Iterator[KeyEndpoint]:
    endpoint = KeyEndpoint(keys=list(keys))

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            endpoint.asked.append(self.path)
            endpoint.closing.wait(endpoint.delay_seconds)
            _answer(self, endpoint)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_arguments: object) -> None:
            """Clients that go away are what half of these tests are about."""

    with Server((HOST, 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        endpoint.url = f"{'http' if tls is None else 'https'}://{HOST}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.closing.set()
            server.shutdown()
            thread.join(10)


def certificate(directory: Path) -> Path:
    """A file with a new certificate for loopback, signed by nobody else, and its key."""
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    file = directory / "certificate.pem"
    file.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)
    )
    return file


def _answer(handler: BaseHTTPRequestHandler, endpoint: KeyEndpoint) -> None:
    good = json.dumps({"keys": endpoint.keys}).encode()
    fault = endpoint.fault
    if fault is Fault.STALLS:
        endpoint.closing.wait(20)
    elif fault is Fault.DROPS:
        handler.close_connection = True
    elif fault is Fault.SPEAKS_NO_HTTP:
        handler.wfile.write(b"220 mail.example ESMTP\r\n")
    elif fault is Fault.REDIRECTS and handler.path == PATH:
        _send(handler, 302, b"", {"Location": f"{endpoint.url}/elsewhere"})
    elif fault is Fault.NEVER_ENDS:
        _stream(handler, endpoint, [b'{"keys":[' + b" " * 4096, *([b" " * 4096] * 10_000)], pause=0)
    elif fault is Fault.DRIPS:
        _stream(handler, endpoint, [bytes([byte]) for byte in good], pause=0.2)
    elif fault is Fault.ENDS_TOO_EARLY:
        _send(handler, 200, good[:-10], {}, length=len(good))
    else:
        _send(handler, STATUSES.get(fault, 200), BODIES.get(fault, good), {})


def _send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str], length: int | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _stream(handler: BaseHTTPRequestHandler, endpoint: KeyEndpoint, parts: list[bytes], *, pause: float) -> None:
    handler.send_response(200)
    handler.end_headers()
    for part in parts:
        handler.wfile.write(part)
        endpoint.sent += len(part)
        if endpoint.closing.wait(pause):
            return
