"""Under which conditions something is measured."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from redis import Redis

from reservation_worker.benchmark import mix
from reservation_worker.benchmark.figures import Conditions
from reservation_worker.benchmark.loads import now
from reservation_worker.benchmark.plan import Plan
from reservation_worker.benchmark.stage import APPEND_FSYNC
from reservation_worker.embedded.kafka_jars import KAFKA_VERSION
from reservation_worker.embedded.valkey import find_valkey
from reservation_worker.settings.model import Settings

PROCESSOR_FILE = Path("/proc/cpuinfo")
EMBEDDED, GIVEN = "embedded", "given"


def conditions(
    plan: Plan, settings: Settings, command: str, release: str, given: Redis | None
) -> Conditions:
    """Return what must be known to compare a measurement with another one.

    A given Redis is asked for its version and its append-only file, if it tells.
    """
    versions = {
        "reservation-worker": release,
        "Python": platform.python_version(),
        "confluent-kafka": version("confluent-kafka"),
        "redis-py": version("redis"),
    }
    append_fsync: str = APPEND_FSYNC
    if given is None:
        versions |= {"Kafka": KAFKA_VERSION, "Valkey": _valkey_version()}
    else:
        told = given.info("all")
        versions |= {"Redis": str(told.get("valkey_version") or told.get("redis_version", ""))}
        append_fsync = "on" if told.get("aof_enabled") else "off"
    return Conditions(
        at=now().isoformat(timespec="seconds"),
        command=command,
        cores=os.cpu_count() or 1,
        processor=_processor(),
        servers=EMBEDDED if given is None else GIVEN,
        versions=versions,
        append_fsync=append_fsync,
        rebalancing=settings.kafka.rebalancing,
        shards_total=settings.topics.shards_total,
        input_partitions=settings.topics.input_partitions,
        records_per_poll_max=settings.apply.records_per_poll_max,
        facts_per_step_max=settings.apply.facts_per_step_max,
        lines_per_step_max=settings.apply.lines_per_step_max,
        records_per_transaction_max=settings.publish.records_per_transaction_max,
        seed=plan.seed,
        runs=plan.runs,
        warm_ups=plan.warm_ups,
        mix=mix.__doc__ or "",
    )


def _valkey_version() -> str:
    told = subprocess.run([find_valkey(), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"v=(\S+)", told.stdout)
    return "" if found is None else found[1]


def _processor() -> str:
    names: Mapping[str, str] = {}
    if PROCESSOR_FILE.exists():
        lines = PROCESSOR_FILE.read_text("utf-8", "replace").splitlines()
        names = {
            name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)
        }
    return names.get("model name") or platform.processor() or platform.machine()
