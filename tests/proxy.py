"""A TCP proxy of the tests' own: forwards, swallows, or turns to another server."""

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from reservation_worker.embedded.port_claims import LOOPBACK

CHUNK_BYTES = 65_536
POLL_SECONDS = 0.1


class Proxy:
    """Listens on a port of the loopback; what is connected stays so while bytes are swallowed."""

    def __init__(self, target_port: int, changed: tuple[bytes, bytes] = (b"", b"")) -> None:
        """Forward to a port; of what comes from there, the first bytes become the second."""
        self._target_port = target_port
        self._changed = changed
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(POLL_SECONDS)
        self._forwards = Event()
        self._forwards.set()
        self._closed = Event()
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._gates: list[Event] = []
        """Of each connection that was made; shut: what comes from its client waits."""
        self._accepting = Thread(target=self._accept, daemon=True)
        self._pumping: list[Thread] = []
        self._sent: list[bytearray] = []
        """What each client has sent by now; those that connected first stand first."""

    @property
    def sent(self) -> list[bytes]:
        """What each of the clients has sent by now."""
        with self._lock:
            return [bytes(one) for one in self._sent]

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
        self.deliver()
        self._accepting.join()
        self._listener.close()
        self._cut()
        for thread in self._pumping:
            thread.join()

    def swallow(self) -> None:
        """Go on taking bytes, and let none of them through: both sides believe in the link."""
        self._forwards.clear()

    def hold_back(self) -> None:
        """Let what comes on the connections of by now wait, even when its client has given up.

        Who connects again is served.
        """
        with self._lock:
            for gate in self._gates:
                gate.clear()

    def deliver(self) -> None:
        """Let through what was held back."""
        with self._lock:
            for gate in self._gates:
                gate.set()

    def turn_to(self, target_port: int) -> None:
        """Cut what is connected; who connects again meets another server."""
        with self._lock:
            self._target_port = target_port
        self._cut()

    def _cut(self) -> None:
        with self._lock:
            cut, self._open = self._open, []
        for one in cut:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _address = self._listener.accept()
            except TimeoutError:
                continue
            try:
                far = socket.create_connection((LOOPBACK, self._target_port))
            except OSError:
                near.close()
                continue
            gate, open_gate = Event(), Event()
            sent = bytearray()
            gate.set()
            open_gate.set()
            with self._lock:
                self._open += (near, far)
                self._gates.append(gate)
                self._sent.append(sent)
            there = (near, far, gate, partial(self._kept, sent))
            for pump in (there, (far, near, open_gate, self._replaced)):
                thread = Thread(target=self._pump, args=pump, daemon=True)
                self._pumping.append(thread)
                thread.start()

    def _kept(self, sent: bytearray, chunk: bytes) -> bytes:
        with self._lock:
            sent += chunk
        return chunk

    def _replaced(self, chunk: bytes) -> bytes:
        before, after = self._changed
        return chunk.replace(before, after) if before else chunk

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        gate: Event,
        passed: Callable[[bytes], bytes],
    ) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                through = passed(chunk)
                gate.wait()
                if self._forwards.is_set():
                    sink.sendall(through)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
