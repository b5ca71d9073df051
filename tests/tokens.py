"""Tokens that nobody has signed, and an endpoint that gives them for an id and a secret."""

import base64
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs

from reservation_worker.embedded.port_claims import LOOPBACK

LIFETIME_SECONDS: Final = 4
"""A client asks for the next one after four fifths of it."""


def token_for(user: str, lifetime_seconds: int = LIFETIME_SECONDS) -> str:
    """Return a token that a broker takes which checks no signature."""
    now = int(time.time())  # noqa: TID251 - a token says when it was made
    claims = {"sub": user, "scope": "", "iat": now, "exp": now + lifetime_seconds}
    return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class TokenEndpoint:
    """Gives a token to whoever knows id and secret, which may change while it runs."""

    def __init__(self, user: str, secret: str) -> None:
        self.user = user
        self.secret = secret
        self.scopes: list[str] = []
        """What was asked for."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.answer(self)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/token"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one who asks for a token."""
        form = parse_qs(request.rfile.read(int(request.headers["Content-Length"])).decode())
        self.scopes += form.get("scope", [])
        proof = base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()
        if request.headers["Authorization"] == f"Basic {proof}":
            code, answer = 200, {"access_token": token_for(self.user), "token_type": "Bearer"}
        else:
            code, answer = 401, {"error": "invalid_client"}
        body = json.dumps(answer).encode()
        request.send_response(code)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
