"""Measures the worker on real servers: ``python -m tests.benchmarks.measure --help``.

Everything runs on this machine: Kafka, Valkey (AOF every second), one worker with both roles in
exactly-once mode, the producer and the reader. What is counted is what a read_committed reader
sees.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from confluent_kafka import Message, Producer
from redis import Redis

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.stage import Reader, Stage, Stalled, send, stage, worker

SHARDS_TOTAL = 16


def main() -> None:
    """Run one scenario and print its figures as JSON lines."""
    scenarios = {
        "throughput": _throughput,
        "latency": _latency,
        "growth": _growth,
        "rebuild": _rebuild,
        "verify": _verify,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=scenarios)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--orders", type=int, default=100_000, help="orders of one run's backlog")
    parser.add_argument("--rate", type=int, default=500, help="facts per second")
    parser.add_argument("--seconds", type=int, default=30, help="length of a run (latency)")
    parser.add_argument(
        "--live", type=int, default=1_000_000, help="live reservations (growth, rebuild, verify)"
    )
    parser.add_argument("--accounts", type=int, default=8, help="that share 10,000 stocks")
    parser.add_argument("--apart", action="store_true", help="a process for each role (backlogs)")
    parser.add_argument("--busy", action="store_true", help="with facts at --rate (verify)")
    parser.add_argument("--warm-ups", type=int, default=3, help="runs before those that count")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps({"cores": os.cpu_count(), **vars(arguments)}))
    with TemporaryDirectory() as directory:
        scenarios[arguments.scenario](Path(directory), arguments)


def _throughput(directory: Path, arguments: argparse.Namespace) -> None:
    """One broker for all runs: a cold one halves the first."""
    rates = []
    with stage(directory) as found:
        count_all_stocks(found, arguments.accounts)
        for run in range(arguments.runs + 1):
            rate = _backlog_rate(found, arguments, run)
            label = run or "warm-up"
            print(json.dumps({"run": label, "facts_per_second": round(rate)}), flush=True)
            if run:
                rates.append(rate)
    _summary("facts_per_second", rates)


def count_all_stocks(found: Stage, accounts: int) -> None:
    """Let a worker count every stock of so many accounts, before anything is measured."""
    with worker(found):
        sent = send(found, mix.balances(mix.Shops(accounts, ""), datetime.now(UTC)))
        _wait_for_step(found, sent)


def _backlog_rate(found: Stage, arguments: argparse.Namespace, run: int) -> float:
    """Return the changes per second of a backlog, from the first one read to the last."""
    reader = Reader(found)
    shops = mix.Shops(arguments.accounts, f"day{run}")
    send(found, mix.day(shops, arguments.orders, datetime.now(UTC), arguments.seed + run))
    with worker(found, apart=arguments.apart):
        count, first, last = reader.count_until_quiet()
    reader.close()
    return count / (last - first)


def _wait_for_step(found: Stage, balances: int) -> None:
    """Wait until the worker has counted every stock."""
    redis = Redis.from_url(found.valkey.url)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if redis.dbsize() >= balances:
            time.sleep(1)
            return
        time.sleep(0.2)
    raise Stalled("the balances were not counted in two minutes")


def _latency(directory: Path, arguments: argparse.Namespace) -> None:
    p50s, p99s = [], []
    with stage(directory) as found, worker(found):
        shops = mix.Shops(arguments.accounts, "")
        _wait_for_step(found, send(found, mix.balances(shops, datetime.now(UTC))))
        for run in range(-arguments.warm_ups, arguments.runs):
            latencies = _offered(found, arguments, run)
            cuts = statistics.quantiles(latencies, n=100)
            print(
                json.dumps(
                    {
                        "run": "warm-up" if run < 0 else run + 1,
                        "changes": len(latencies),
                        "p50_ms": round(cuts[49], 1),
                        "p99_ms": round(cuts[98], 1),
                        "max_ms": round(max(latencies), 1),
                    }
                ),
                flush=True,
            )
            if run >= 0:
                p50s.append(cuts[49])
                p99s.append(cuts[98])
    _summary("p50_ms", p50s)
    _summary("p99_ms", p99s)


def _offered(found: Stage, arguments: argparse.Namespace, run: int) -> list[float]:
    """Send facts at a steady rate; return each change's latency from record to reader, in ms.

    Settlements are left out: the schedule states them, some time after the count that they follow.

    Sender and reader wait in the client, each in a thread of its own: a loop that polls without
    waiting would take a core from what is measured.
    """
    producer = Producer({"bootstrap.servers": found.bootstrap_servers, "linger.ms": 0})
    sent_at: dict[tuple[str, int, int], float] = {}
    seen_at: dict[tuple[str, int, int], float] = {}
    reader = Reader(found)
    ended = Event()

    def read() -> None:
        while not ended.is_set():
            for body in reader.read(0.1):
                seen = time.perf_counter()
                change = json.loads(body)
                cause = change["cause"]
                if cause is not None and change["reason"] != "balance_counted":
                    seen_at[cause["topic"], cause["partition"], cause["offset"]] = seen

    def send_one(message: mix.Message) -> None:
        at = time.perf_counter()

        def delivered(_error: object, record: Message) -> None:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            sent_at[topic, partition, offset] = at

        producer.produce(message.topic, message.value, on_delivery=delivered)

    thread = Thread(target=read)
    thread.start()
    count, rate = arguments.rate * arguments.seconds, arguments.rate
    orders = mix.day(mix.Shops(arguments.accounts, f"run{run}"), count, datetime.now(UTC), run)
    begun = time.perf_counter()
    for number in range(count):
        due = begun + number / rate
        while (early := due - time.perf_counter()) > 0:
            producer.poll(early)
        send_one(next(orders))
    producer.flush(10)
    time.sleep(5)
    ended.set()
    thread.join()
    reader.close()
    return [(seen_at[key] - at) * 1_000 for key, at in sent_at.items() if key in seen_at]


def _growth(directory: Path, arguments: argparse.Namespace) -> None:
    small: list[float] = []
    large: list[float] = []
    for run in range(arguments.runs):
        for live, rates in ((10_000, small), (arguments.live, large)):
            with stage(directory / f"{run}-{live}") as found:
                bytes_each = _fill(found, arguments, live)
                # The first backlog warms the broker.
                rate = [_backlog_rate(found, arguments, number) for number in range(2)][-1]
            rates.append(rate)
            print(
                json.dumps(
                    {
                        "run": run + 1,
                        "live": live,
                        "facts_per_second": round(rate),
                        "bytes_per_reservation": round(bytes_each),
                    }
                ),
                flush=True,
            )
    _summary("facts_per_second_small", small)
    _summary("facts_per_second_large", large)
    ratios = [b / a for a, b in zip(small, large, strict=True)]
    _summary("ratio_large_to_small", ratios)


def _fill(found: Stage, arguments: argparse.Namespace, live: int) -> float:
    """Make so many live reservations through the worker; return Redis bytes for each."""
    redis = Redis.from_url(found.valkey.url)
    count_all_stocks(found, arguments.accounts)
    before = int(redis.info("memory")["used_memory"])
    reader = Reader(found)
    shops = mix.Shops(arguments.accounts, "live")
    with worker(found):
        send(found, mix.orders(shops, live, datetime.now(UTC), arguments.seed))
        count, _first, _last = reader.count_until_quiet(quiet_seconds=10)
        reader.close()
        assert count == live, f"{live} orders made {count} changes"
        time.sleep(2)
    after = int(redis.info("memory")["used_memory"])
    return (after - before) / live


def _rebuild(directory: Path, arguments: argparse.Namespace) -> None:
    """Time from the loss of everything to the last shard's being as it was, worker running."""
    seconds: list[float] = []
    with stage(directory) as found:
        _fill(found, arguments, arguments.live)
        redis = Redis.from_url(found.valkey.url)
        keys_total = redis.dbsize()
        for run in range(arguments.runs):
            with worker(found) as process_id:
                before = _rebuilt_shards(redis)
                while len(before) < len(list(redis.scan_iter("{s*}:meta"))):
                    time.sleep(0.2)
                    before = _rebuilt_shards(redis)
                time.sleep(5)  # The start is not what is measured.
                redis.flushall()
                begun = time.monotonic()
                while _rebuilt_shards(redis) != before:
                    time.sleep(0.05)
                    if time.monotonic() - begun > 600:
                        raise Stalled("the shards were not rebuilt in ten minutes")
                seconds.append(time.monotonic() - begun)
                assert redis.dbsize() == keys_total, "something is missing, or too much"
                peak = _peak_megabytes(process_id)
            figures = {"seconds": round(seconds[-1], 1), "worker_peak_megabytes": peak}
            print(json.dumps({"run": run + 1, "keys": keys_total, **figures}), flush=True)
    _summary("rebuild_seconds", seconds)
    _summary("reservations_per_second", [arguments.live / one for one in seconds])


def _rebuilt_shards(redis: Redis) -> set[bytes]:
    return {
        key
        for key in (f"{{s{shard}}}:meta".encode() for shard in range(SHARDS_TOTAL))
        if redis.hget(key, "writing") == b"0"
    }


def _verify(directory: Path, arguments: argparse.Namespace) -> None:
    """Time and memory of the command, at a tenth of the reservations and at all of them."""
    for live in (arguments.live // 10, arguments.live):
        with stage(directory / str(live)) as found:
            _fill(found, arguments, live)
            with worker(found), _traffic(found, arguments):
                for run in range(arguments.runs):
                    _verify_once(found, live, run + 1)


@contextmanager
def _traffic(found: Stage, arguments: argparse.Namespace) -> Iterator[None]:
    """Let a shop's days go on meanwhile, if a rate is wanted with ``--busy``."""
    stop = Event()

    def sell() -> None:
        second = 0
        while not stop.wait(1):
            second += 1
            shops = mix.Shops(arguments.accounts, f"second{second}")
            # An order brings two more facts.
            send(found, mix.day(shops, arguments.rate // 3, datetime.now(UTC), second))

    thread = Thread(target=sell)
    if arguments.busy:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if arguments.busy:
            thread.join()


def _verify_once(found: Stage, live: int, run: int) -> None:
    answer = found.directory / "verify.json"
    begun, peak_megabytes = time.monotonic(), 0
    with (
        answer.open("wb") as stdout,
        subprocess.Popen(
            found.command("verify", "--json"), env=found.environment, stdout=stdout
        ) as process,
    ):
        # What the system says at its end counts the memory of the process that started it, too.
        while process.poll() is None:
            with suppress(ValueError, FileNotFoundError):  # It has just ended.
                peak_megabytes = _peak_megabytes(process.pid)
            time.sleep(0.1)
    seconds = time.monotonic() - begun
    assert process.returncode == 0, answer.read_text("utf-8")
    checked = json.loads(answer.read_text("utf-8"))["checked"]
    assert checked["reservations"] >= live, checked
    figures = {
        "seconds": round(seconds, 1),
        "reservations_per_second": round(live / seconds),
        "peak_megabytes": peak_megabytes,
    }
    print(json.dumps({"run": run, "live": live, **figures, "checked": checked}), flush=True)


def _peak_megabytes(process_id: int) -> int:
    """Return the largest resident set of a process so far."""
    status = Path(f"/proc/{process_id}/status").read_text("ascii")
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def _summary(name: str, values: list[float]) -> None:
    print(
        json.dumps(
            {
                "summary": name,
                "minimum": round(min(values), 2),
                "median": round(statistics.median(values), 2),
                "maximum": round(max(values), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
