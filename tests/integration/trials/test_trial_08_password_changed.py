"""A password is changed, and the file that holds it rewritten: the worker goes on by itself.

Of Redis and of Kafka while a worker runs, and the secret of a token endpoint, which only a new
process would read.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from reservation_worker.telemetry.log_events import (
    CREDENTIALS_OUTDATED,
    DEPENDENCY_LOST,
)
from tests.integration import shop
from tests.integration.conftest import NewStage
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage, open_stage
from tests.secured_kafka import USERS, SecuredKafka
from tests.tokens import TokenEndpoint
from tests.waiting import wait_until

NOTICED_TIMEOUT_MS = 30_000
ORDERS_EACH = 10
QUICK = {
    # A drain that cannot finish waits so long, and no longer.
    "RESERVATION_PROCESS__DRAIN_TIMEOUT_MS": "4000",
    "RESERVATION_KAFKA__REQUEST_TIMEOUT_MS": "2000",
}


def lost_for_authentication(worker: WorkerProcess, dependency: str) -> list[str]:
    """Return what the log says of a dependency that does not believe the worker."""
    return [
        line["detail"]
        for line in worker.logged(DEPENDENCY_LOST)
        if (line["dependency"], line["reason"]) == (dependency, "authentication")
    ]


def wait_until_not_believed(worker: WorkerProcess, dependency: str, times: int = 1) -> str:
    """Wait until the log says so; return what it says."""
    wait_until(
        lambda: len(lost_for_authentication(worker, dependency)) >= times,
        timeout_ms=NOTICED_TIMEOUT_MS,
        what=f"{dependency} does not believe {worker.log_path}",
    )
    return lost_for_authentication(worker, dependency)[-1]


def send_and_settle(stage: Stage, name: str) -> None:
    """Send a load, and wait until all of it is published and committed."""
    stage.send(shop.traffic(1, stage.clock.now_ms(), stage.accounts(), ORDERS_EACH, name))
    stage.wait_until_settled()


def assert_no_secret_is_shown(stage: Stage, worker: WorkerProcess) -> None:
    """Look for one in all that leaves a worker: log, probes, metrics, records and their headers."""
    records = repr(stage.outputs())
    assert "__dlq.errors" in records, "there are dead letters"
    shown = worker.shown()
    assert "reservation_facts_total" in shown
    for text in (records, shown):
        assert "hush" not in text


def test_another_password_of_redis_is_read_from_its_file(
    new_stage: NewStage, tmp_path: Path
) -> None:
    """The log names the reason and the file; nothing is restarted, nothing is lost."""
    file = tmp_path / "redis-password"
    file.write_text("hush-first", "utf-8")
    stage: Stage = new_stage(
        settings={
            **QUICK,
            "RESERVATION_REDIS__USERNAME": "worker",
            "RESERVATION_REDIS__PASSWORD_FILE": str(file),
            # Of no use to this client; it may be one all the same.
            "RESERVATION_KAFKA__EXTRA": '{"sasl.oauthbearer.extensions": "tenant=hush-third"}',
        }
    )
    with stage.redis() as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", "~*", "+@all", ">hush-first")
    worker = stage.open_shop()
    send_and_settle(stage, "before")

    with stage.redis() as client:
        client.execute_command("ACL", "SETUSER", "worker", "resetpass", ">hush-second")
        # A changed password cuts nobody off who is in already.
        client.execute_command("CLIENT", "KILL", "USER", "worker")
    assert f"redis.password, from {file}" in wait_until_not_believed(worker, "redis")
    problems = worker.problems()
    assert problems
    assert any("authentication" in problem for problem in problems)
    assert_no_secret_is_shown(stage, worker)
    stage.send(shop.traffic(2, stage.clock.now_ms(), stage.accounts(), ORDERS_EACH, "meanwhile"))

    file.write_text("hush-second", "utf-8")
    worker.wait_until_ready()
    send_and_settle(stage, "after")
    stage.assert_nothing_violated()
    assert_no_secret_is_shown(stage, worker)
    assert 0 == worker.drain()
    assert "hush" not in worker.log_path.read_text("utf-8")


@pytest.fixture
def secured_stage(secured_kafka: SecuredKafka, tmp_path: Path) -> Iterator[Stage]:
    """Open a stage whose topics may be used by whom the broker knows as `worker`, and by tests."""
    secured_kafka.set_password("worker", "hush-first")
    for kind in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID):
        secured_kafka.grant("worker", [AclOperation.ALL], kind, "*")
    with open_stage(secured_kafka.bootstrap_servers, tmp_path, "stage", settings=QUICK) as stage:
        yield stage


def test_another_password_of_kafka_is_read_by_the_next_process(
    secured_stage: Stage, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    """Code 4 and the reason: a supervisor starts it again. It waits until the file is another one.

    A drain ends in its time although nobody is believed.
    """
    stage, file = secured_stage, tmp_path / "kafka-password"
    file.write_text("hush-first", "utf-8")
    stage.send(shop.balances(stage.clock.now_ms(), stage.accounts()))
    settings = {
        "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": secured_kafka.address(USERS),
        "RESERVATION_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "RESERVATION_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256",
        "RESERVATION_KAFKA__SASL_USERNAME": "worker",
        "RESERVATION_KAFKA__SASL_PASSWORD_FILE": str(file),
    }
    worker = stage.start(settings=settings)
    worker.wait_until_ready()
    send_and_settle(stage, "before")

    secured_kafka.set_password("worker", "hush-second")
    wait_until_not_believed(worker, "kafka")
    assert worker.problems()
    assert_no_secret_is_shown(stage, worker)
    stage.send(shop.traffic(2, stage.clock.now_ms(), stage.accounts(), ORDERS_EACH, "meanwhile"))
    assert worker.runs
    file.write_text("hush-second", "utf-8")
    assert 4 == worker.exit_code()
    (line,) = worker.logged(CREDENTIALS_OUTDATED)
    assert f"kafka.sasl_password, from {file}" == line["changed"]
    assert "hush" not in worker.log_path.read_text("utf-8")

    successor = stage.start(settings=settings)
    successor.wait_until_ready()
    send_and_settle(stage, "after")
    stage.assert_nothing_violated()
    secured_kafka.set_password("worker", "hush-third")
    wait_until_not_believed(successor, "kafka")
    # Nothing is in hand, or Kafka was missed: in any case it ends, and is not waited for.
    assert successor.drain() in {0, 4}


def test_a_secret_that_only_new_clients_read_ends_the_process(
    secured_stage: Stage, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    """Code 4 and the reason: a supervisor starts it again, with what the file holds now."""
    file = tmp_path / "client-secret"
    file.write_text("hush-first", "utf-8")
    with TokenEndpoint("worker", "hush-first") as endpoint:
        worker = secured_stage.start(
            settings={
                "RESERVATION_KAFKA__BOOTSTRAP_SERVERS": secured_kafka.address(USERS),
                "RESERVATION_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "RESERVATION_KAFKA__SASL_MECHANISM": "OAUTHBEARER",
                "RESERVATION_KAFKA__OAUTH_TOKEN_ENDPOINT": endpoint.url,
                "RESERVATION_KAFKA__OAUTH_CLIENT_ID": "worker",
                "RESERVATION_KAFKA__OAUTH_CLIENT_SECRET_FILE": str(file),
                "RESERVATION_KAFKA__OAUTH_SCOPE": "orders",
            }
        )
        worker.wait_until_ready()
        assert {"orders"} == set(endpoint.scopes)
        endpoint.secret = "hush-second"
        wait_until_not_believed(worker, "kafka")
        assert worker.runs
        file.write_text("hush-second", "utf-8")
        assert 4 == worker.exit_code()
    (line,) = worker.logged(CREDENTIALS_OUTDATED)
    assert f"kafka.oauth_client_secret, from {file}" == line["changed"]
    assert ["authentication"] == line["refused"]
