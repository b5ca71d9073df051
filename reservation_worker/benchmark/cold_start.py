"""A first start on a backlog: what is refused that was counted, with counts first and without.

The backlog is written before any worker runs. Every stock has exactly the units that its order
wants, so each refusal is one that the counts did not ask for.
"""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reservation_worker.apply import CountsFirst, Interruption
from reservation_worker.benchmark.committed import wait_until_committed
from reservation_worker.benchmark.loads import now
from reservation_worker.benchmark.mix import Message
from reservation_worker.benchmark.place import Place
from reservation_worker.benchmark.stage import Reader, broker, scene, send
from reservation_worker.composition import build_clock
from reservation_worker.embedded import Progress

RECORDS_PER_TEN_ORDERS = 40
"""Ten counts, ten orders, ten payments, nine invoices and a cancellation."""
ACCOUNTS = 24
WARM_UP_SHARE = 10
"""Of the records, this part is for a broker that has never done this before."""
END_TIMEOUT_SECONDS = 60
READ_SECONDS = 2.0
"""Nothing more came for so long: the topic is read to its end."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """What one start came to."""

    records: int
    workers: int
    counts_first: bool
    seconds: float
    """From the start of the processes to the last change, by the broker's clock."""
    orders: int
    orders_refused: int
    """Of which some change tells of a shortage."""


def measure_cold_start(
    directory: Path, records: int, workers: int, say: Progress
) -> tuple[ColdStart, ...]:
    """Start so many workers at once on a backlog, with the rule and without it."""
    found: list[ColdStart] = []
    with broker(directory, say) as kafka:
        with scene(directory, kafka, "warm") as place:
            _start(place, records // WARM_UP_SHARE, workers, counts_first=True)
        for counts_first in (True, False):
            name = "ruled" if counts_first else "unruled"
            with scene(directory, kafka, name) as place:
                found.append(_start(place, records, workers, counts_first=counts_first))
            one = found[-1]
            say(
                f"{name}: {one.records:,} records by {workers} workers in {one.seconds:.1f} s, "
                f"{one.orders_refused:,} of {one.orders:,} orders refused"
            )
    return tuple(found)


def as_json(found: tuple[ColdStart, ...]) -> str:
    """Return the figures as a JSON list."""
    return json.dumps([asdict(one) for one in found])


def _start(place: Place, records: int, workers: int, *, counts_first: bool) -> ColdStart:
    sent = send(place, backlog(records, now()))
    reader = Reader(place)
    try:
        began_ms = build_clock().now_ms()
        with _workers(place, workers, counts_first=counts_first):
            wait_until_committed(place)
        orders: dict[str, bool] = {}
        last_ms = began_ms
        while messages := reader.read_records(READ_SECONDS):
            for message in messages:
                last_ms = max(last_ms, message.timestamp()[1])
                body = json.loads(message.value() or b"{}")
                order = f"{body['account']}/{body['order_id']}"
                orders[order] = orders.get(order, False) or bool(body["shortages"])
    finally:
        reader.close()
    refused = sum(orders.values())
    seconds = (last_ms - began_ms) / 1000
    return ColdStart(sent, workers, counts_first, seconds, len(orders), refused)


def backlog(records: int, at: datetime) -> Iterator[Message]:
    """Return what a shop has sent before its worker is there, topic by topic, hours apart."""
    numbers = range(records * 10 // RECORDS_PER_TEN_ORDERS)
    line = {"line_id": "1", "warehouse_id": "main", "quantity": 1}
    for number in numbers:
        counted_at = _text(at - timedelta(hours=4))
        stock = {"warehouse_id": "main", "sku": f"sku-{number}", "on_hand": 1}
        yield _message("inventory-updated", number, **stock, counted_at=counted_at)
    for number in numbers:
        order = {"order_id": f"v{number}", "lines": [{**line, "sku": f"sku-{number}"}]}
        completed_at = _text(at - timedelta(hours=3))
        yield _message("order-completed", number, **order, completed_at=completed_at)
    for number in numbers:
        approved_at = _text(at - timedelta(hours=2))
        yield _message("payment-approved", number, order_id=f"v{number}", approved_at=approved_at)
    ended_at = _text(at - timedelta(hours=1))
    for number in numbers:
        if number % 10:
            yield _message("order-invoiced", number, order_id=f"v{number}", invoiced_at=ended_at)
        else:
            yield _message("order-canceled", number, order_id=f"v{number}", canceled_at=ended_at)


def _message(topic: str, number: int, **fields: object) -> Message:
    body = {"account": f"shop-{number % ACCOUNTS}", **fields}
    return Message(topic, json.dumps(body, separators=(",", ":")).encode())


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")


@contextmanager
def _workers(place: Place, total: int, *, counts_first: bool) -> Iterator[None]:
    arguments = place.run_command() if counts_first else place.command("bench-unruled-worker")
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        log = stack.enter_context((place.directory / "worker.log").open("ab"))
        stack.callback(_end, processes)
        processes += [
            subprocess.Popen(arguments, env=place.environment, stdout=log, stderr=log)
            for _ in range(total)
        ]
        yield


def _end(processes: list["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(END_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def never_first(counts_first: CountsFirst) -> CountsFirst:
    """Put around a worker's part what it would be without the rule."""
    return _NeverFirst(counts_first)


class _NeverFirst(CountsFirst):
    """Holds nothing back, whatever interrupted reading."""

    def __init__(self, counts_first: CountsFirst) -> None:
        """Take the place of another one."""
        self.__dict__.update(counts_first.__dict__)
        self.holds = False

    def begin(self, _interruption: Interruption) -> None:
        """Go on."""
