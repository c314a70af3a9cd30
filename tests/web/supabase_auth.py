"""Supabase's sign-in, as far as the page talks to it, on loopback: what it is asked, and tokens that soon end."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from app.demo.server import HOST
from tests.api.service import token

KEY = "an-anon-key-for-tests"
PASSWORD = "correct horse"


@dataclass
class SupabaseAuth:
    """`lasts`: seconds of the tokens it hands out, in turn, and the last one again and again. `asked`: for what.

    A renewal waits while `may_renew` is not set, and without `renews` is out of order.
    """

    lasts: list[float]
    url: str = ""
    asked: list[str] = field(default_factory=list)
    refuses_renewal: bool = False
    renews: bool = True
    may_renew: threading.Event = field(default_factory=threading.Event)

    def answer(self, grant: str, body: dict[str, Any], key: str | None) -> tuple[int, dict[str, Any]]:
        if key != KEY:
            return 401, {"msg": "No API key found in request"}
        self.asked.append(grant)
        if grant == "refresh_token":
            self.may_renew.wait(20)
            if not self.renews:
                return 503, {"msg": "Service unavailable"}
        refused = self.refuses_renewal if grant == "refresh_token" else body.get("password") != PASSWORD
        if refused:
            return 400, {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
        seconds = self.lasts.pop(0) if len(self.lasts) > 1 else self.lasts[0]
        access = token(iss=f"{self.url}/auth/v1", exp=int(time.time() + seconds), email="ada@example.com")
        answer = {"access_token": access, "refresh_token": f"refresh-{len(self.asked)}", "token_type": "bearer"}
        return 200, {**answer, "expires_in": round(seconds)}


@contextmanager
def supabase_auth(*lasts: float) -> Iterator[SupabaseAuth]:
    auth = SupabaseAuth(list(lasts))
    auth.may_renew.set()

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._send(200, b"")

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?grant_type=")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if path != "/auth/v1/token":
                auth.asked.append(path)
                return self._send(204, b"")
            status, answer = auth.answer(query, body, self.headers.get("apikey"))
            self._send(status, json.dumps(answer).encode())
            return None

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "apikey, authorization, content-type")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    auth.url = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield auth
    finally:
        auth.may_renew.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
