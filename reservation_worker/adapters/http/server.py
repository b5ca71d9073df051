"""Answers ``/livez``, ``/readyz``, ``/startupz`` and ``/metrics``; asks no broker and no Redis."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

REQUEST_TIMEOUT_SECONDS = 10
"""A client that says nothing for so long is disconnected."""
STOP_INTERVAL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ProbeAnswers:
    """What the probes are answered with."""

    live: bool
    ready: bool
    started: bool
    problems: tuple[str, ...]
    """Why not; for people."""
    remarks: tuple[str, ...] = ()
    """What else should be known, ready or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: HTTPStatus
    content_type: str
    body: bytes


class ProbeServer:
    """Serves until the ``with`` block ends; requests are answered in threads of their own."""

    def __init__(
        self,
        host: str,
        port: int,
        probe: Callable[[], ProbeAnswers],
        registry: CollectorRegistry,
    ) -> None:
        """Listen at once; port 0 takes any free one.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        self._server = _Server((host, port), _handler(probe, registry))
        self._thread = Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": STOP_INTERVAL_SECONDS},
            name="http",
            daemon=True,
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Answer no more, and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A worker that is restarted takes its port again at once.
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away: the probes tell how the worker is."""


def _handler(
    probe: Callable[[], ProbeAnswers], registry: CollectorRegistry
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one connection."""

        timeout = REQUEST_TIMEOUT_SECONDS
        server_version = "reservation-worker"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer a request."""
            self._send(with_body=True)

        def do_HEAD(self) -> None:
            """Answer a request without its body."""
            self._send(with_body=False)

        def _send(self, *, with_body: bool) -> None:
            path = urlsplit(self.path).path
            accepted = self.headers.get("Accept", "")
            answer = answer_to(path, accepted, probe, registry)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if with_body:
                self.wfile.write(answer.body)

        def log_message(self, *_arguments: object) -> None:
            """Log no request: probes come every few seconds."""

    return Handler


def answer_to(
    path: str, accepted: str, probe: Callable[[], ProbeAnswers], registry: CollectorRegistry
) -> Answer:
    """Return the response to a request for a path."""
    if path == "/metrics":
        encode, content_type = choose_encoder(accepted)
        return Answer(HTTPStatus.OK, content_type, encode(registry))
    answers = probe()
    by_path = {
        "/livez": answers.live,
        "/readyz": answers.ready,
        "/startupz": answers.started,
    }
    if path not in by_path:
        return _json(HTTPStatus.NOT_FOUND, {"paths": [*by_path, "/metrics"]})
    remarks: dict[str, object] = {"remarks": list(answers.remarks)} if answers.remarks else {}
    if by_path[path]:
        return _json(HTTPStatus.OK, {"ok": True, **remarks})
    body = {"ok": False, "problems": list(answers.problems), **remarks}
    return _json(HTTPStatus.SERVICE_UNAVAILABLE, body)


def _json(status: HTTPStatus, body: dict[str, object]) -> Answer:
    return Answer(status, "application/json", json.dumps(body).encode() + b"\n")
