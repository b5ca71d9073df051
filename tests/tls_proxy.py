"""A server's TLS in front of one that has none: the embedded Valkey is built without."""

import ssl
from contextlib import ExitStack, suppress
from socket import SHUT_RDWR, create_connection, create_server, socket
from threading import Event, Thread
from types import TracebackType
from typing import Self

from reservation_worker.embedded.port_claims import LOOPBACK
from tests.certificates import Certificate

CHUNK_BYTES = 65_536
POLL_SECONDS = 0.1


class TlsProxy:
    """Listens on a port of the loopback, speaks TLS there, and hands on what it decrypts."""

    def __init__(self, certificate: Certificate, target_port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._target_port = target_port
        self._closed = Event()
        self._listener = create_server((LOOPBACK, 0))
        self._listener.settimeout(POLL_SECONDS)
        self._open = ExitStack()
        self._accepting = Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._accepting.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        self._closed.set()
        self._accepting.join()
        self._listener.close()
        self._open.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            with suppress(OSError):
                near, _address = self._listener.accept()
                near.settimeout(None)
                Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, plain: socket) -> None:
        try:
            near = self._context.wrap_socket(plain, server_side=True)
            far = create_connection((LOOPBACK, self._target_port))
        except OSError:
            plain.close()
            return
        self._open.callback(_cut, near)
        self._open.callback(_cut, far)
        for source, sink in ((near, far), (far, near)):
            Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket, sink: socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
    for one in (source, sink):
        _cut(one)


def _cut(one: socket) -> None:
    with suppress(OSError):
        one.shutdown(SHUT_RDWR)
    one.close()
