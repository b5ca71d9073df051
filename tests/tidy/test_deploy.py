"""What is deployed fits what the code asks for."""

import json
import re
import socket
import subprocess
import sys
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from reservation_worker.adapters.kafka.configuration import SHARDS_GROUP_SUFFIX
from reservation_worker.adapters.kafka.topic_needs import needed_topics
from reservation_worker.composition import topic_layout
from reservation_worker.settings.model import ENVIRONMENT_PREFIX, Settings
from reservation_worker.settings.names import all_settings
from tests.tidy.tree import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("topics", "worker")
DEFAULTS = Settings.model_construct()


def _instructions(kind: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line[len(kind) + 1 :] for line in joined.splitlines() if line.startswith(f"{kind} ")]


def _lines(name: str) -> list[list[str]]:
    text = (DEPLOY / "kafka" / name).read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines() if not line.startswith("#")]


# ---- the image


def test_the_image_runs_as_a_numbered_user_without_a_shell() -> None:
    """Only a number shows an orchestrator that it is not root; a shell would swallow signals."""
    assert [] == [user for user in _instructions("USER") if not re.fullmatch(r"[1-9]\d+:\d+", user)]
    assert 1 == len(_instructions("USER"))
    started = _instructions("ENTRYPOINT") + _instructions("CMD")
    assert [] == [line for line in started if not line.startswith("[")]


def test_the_image_installs_what_is_pinned_only() -> None:
    """What runs is what was tested."""
    installs = re.findall(r"pip install ([^&\n]*)", DOCKERFILE.replace("\\\n", " "))
    assert installs
    assert [] == [
        line for line in installs if "--require-hashes" not in line and "-deps" not in line
    ]


def test_everything_that_is_copied_into_the_image_is_let_through() -> None:
    """`.dockerignore` forbids everything first: a forgotten line breaks the build."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line[1:] for line in ignore if line.startswith("!")]
    copied = [
        source.rstrip("/")
        for line in _instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]
    assert [] == [name for name in copied if not (ROOT / name).exists()]
    assert [] == [name for name in copied if not any(fnmatch(name, one) for one in let_through)]


def test_the_image_listens_where_it_says() -> None:
    """Probes from outside reach only what is exposed."""
    assert [str(DEFAULTS.http.port)] == _instructions("EXPOSE")
    (health,) = _instructions("HEALTHCHECK")
    assert f"('{ENVIRONMENT_PREFIX}HTTP__PORT', '{DEFAULTS.http.port}')" in health


@pytest.mark.parametrize("answer", [200, 503])
@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
def test_the_image_asks_the_worker_itself(answer: int, proxy: str | None) -> None:
    """Another port, or a proxy in the environment, must not make a healthy worker look dead."""
    (health,) = _instructions("HEALTHCHECK")
    _, *arguments = json.loads(health.partition("CMD ")[2])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        environment = {f"{ENVIRONMENT_PREFIX}HTTP__PORT": str(port)}
        if proxy is not None:
            environment["http_proxy"] = proxy
        with subprocess.Popen((sys.executable, *arguments), env=environment) as asking:
            listening.settimeout(10)
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1000).startswith(b"GET /livez ")
                connection.sendall(f"HTTP/1.0 {answer} x\r\n\r\n".encode())
        assert (answer != 200) == asking.returncode


# ---- compose


def test_the_image_is_built_once_and_never_fetched() -> None:
    """Engines refuse a second build of a name that is being built, on new machines only."""
    assert ["topics"] == [name for name in SERVICES if "build" in SERVICES[name]]
    assert "topics" in SERVICES["worker"]["depends_on"]
    assert "never" == SERVICES["worker"]["pull_policy"]


@pytest.mark.parametrize("text", [DOCKERFILE, (DEPLOY / "compose.yaml").read_text("utf-8")])
def test_every_setting_that_is_named_exists(text: str) -> None:
    """An unknown variable is an error at start."""
    known = {setting.variable for setting in all_settings()}
    assert set() == set(re.findall(rf"\b{ENVIRONMENT_PREFIX}\w+", text)) - known


def test_the_worker_is_given_longer_than_it_needs_to_drain() -> None:
    """Killed while it drains it loses nothing, but its work is done twice."""
    seconds = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds * 1000 > DEFAULTS.process.drain_timeout_ms


def test_nothing_is_reachable_from_other_machines() -> None:
    """There is no password in this file, so nobody else may come in."""
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [] == [port for port in published if not port.startswith("127.0.0.1:")]


@pytest.mark.parametrize("name", OURS)
def test_the_worker_has_no_rights_and_nowhere_to_write(name: str) -> None:
    """It keeps nothing on disk, so it needs no disk."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]


def test_images_are_official_and_of_one_version() -> None:
    """`latest` is another one tomorrow."""
    images = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    names = {image.rpartition(":")[0] for image in images}
    assert {"apache/kafka", "redis", "prom/prometheus"} == names
    assert [] == [image for image in images if not re.search(r":v?\d+\.\d+(\.\d+)?$", image)]


def test_redis_keeps_what_it_was_told() -> None:
    """What was evicted nobody misses: not even a rebuild would be begun."""
    command = " ".join(SERVICES["redis"]["command"])
    for option in ("appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"):
        assert f"--{option}" in command


def test_prometheus_asks_the_worker_where_it_listens() -> None:
    """A wrong port shows nothing, and nobody notices until something is wrong."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    asked = [
        (name, group["port"])
        for job in yaml.safe_load(text)["scrape_configs"]
        for group in job["dns_sd_configs"]
        for name in group["names"]
    ]
    assert [("worker", DEFAULTS.http.port)] == asked


def test_workers_can_be_scaled_out_on_one_machine() -> None:
    """Two of them on one port: the second one would not start."""
    (published,) = SERVICES["worker"]["ports"]
    ((first, last),) = re.findall(r"^[\d.]+:(\d+)-(\d+):\d+$", published)
    assert DEFAULTS.http.port == int(first) < int(last)
    assert "container_name" not in SERVICES["worker"]


# ---- topics and rights


def test_the_list_of_topics_is_what_topics_apply_creates() -> None:
    """Whoever creates topics by other means gets the same."""
    needed = [
        ["--topic", topic.name, "--partitions", str(topic.partitions)]
        + [part for name, value in topic.config.items() for part in ("--config", f"{name}={value}")]
        for topic in needed_topics(topic_layout(DEFAULTS))
    ]
    assert sorted(needed) == sorted(_lines("topics.txt"))


def test_the_worker_may_do_what_it_does_and_no_more() -> None:
    """A missing right stops it; a right too many is somebody else's danger."""
    topics, group = DEFAULTS.topics, DEFAULTS.kafka.group_id
    read, written = _topic_names()
    rights = {
        (flag, name): {
            value
            for option, value in zip(line[::2], line[1::2], strict=True)
            if option == "--operation"
        }
        for line in _lines("acls.txt")
        for flag, name in zip(line[::2], line[1::2], strict=True)
        if flag in {"--topic", "--group", "--transactional-id"}
    }
    assert {
        **{("--topic", name): {"READ", "DESCRIBE", "DescribeConfigs"} for name in read},
        ("--topic", topics.shards): {"READ", "DESCRIBE"},
        ("--topic", topics.acknowledged_reservation): {"READ", "WRITE", "DESCRIBE"},
        **{
            ("--topic", name): {"READ", "WRITE", "DESCRIBE", "DescribeConfigs"}
            for name in written
            if name != topics.acknowledged_reservation
        },
        ("--topic", topics.dead_letter): {"WRITE", "DESCRIBE", "DescribeConfigs"},
        ("--group", group): {"READ", "DESCRIBE"},
        ("--group", f"{group}{SHARDS_GROUP_SUFFIX}"): {"READ", "DESCRIBE"},
        ("--transactional-id", f"{group}-"): {"WRITE", "DESCRIBE"},
    } == rights


def _topic_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the topics read, and the topics written that have one partition per shard."""
    topics = DEFAULTS.topics
    return (
        (
            topics.order_completed,
            topics.payment_approved,
            topics.order_invoiced,
            topics.order_canceled,
            topics.inventory_updated,
        ),
        (topics.reservation_changed, topics.acknowledged_reservation, topics.stock_changed),
    )
