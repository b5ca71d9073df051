"""A right is missing: probe, log and metric name it, and the worker goes on when it is granted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from reservation_worker.settings.model import ENVIRONMENT_PREFIX
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage, open_stage
from tests.integration.test_payment_in_time import wait_for_statuses
from tests.integration.topics import DEAD_LETTER, INPUT_NAMES, OUTPUT_NAMES, SHARDS
from tests.integration.trials.test_trial_06_topic_created_anew import ACCOUNT, patient_order
from tests.secured_kafka import USERS, SecuredKafka
from tests.waiting import wait_until

USER = "worker-with-rights"
PASSWORD = "secret"
WITHIN_SECONDS_MS = 30_000
READ = (AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
WRITE = (
    AclOperation.WRITE,
    AclOperation.READ,
    AclOperation.DESCRIBE,
    AclOperation.DESCRIBE_CONFIGS,
)


@pytest.fixture
def stage(secured_kafka: SecuredKafka, tmp_path: Path) -> Iterator[Stage]:
    """Open a stage whose workers may do what `deploy/kafka/acls.txt` lists, and no more."""
    settings = {
        f"{ENVIRONMENT_PREFIX}KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        f"{ENVIRONMENT_PREFIX}KAFKA__SASL_MECHANISM": "SCRAM-SHA-256",
        f"{ENVIRONMENT_PREFIX}KAFKA__SASL_USERNAME": USER,
        f"{ENVIRONMENT_PREFIX}KAFKA__SASL_PASSWORD": PASSWORD,
        f"{ENVIRONMENT_PREFIX}KAFKA__BOOTSTRAP_SERVERS": secured_kafka.address(USERS),
        f"{ENVIRONMENT_PREFIX}TOPICS__LOOK_INTERVAL_MS": "200",
    }
    secured_kafka.set_password(USER, PASSWORD)
    with open_stage(
        secured_kafka.bootstrap_servers, tmp_path, "rights", shards_total=1, settings=settings
    ) as opened:
        grant_all(secured_kafka, opened)
        yield opened


def grant_all(kafka: SecuredKafka, stage: Stage) -> None:
    """Grant what the list says."""
    for names, operations in (
        (INPUT_NAMES, READ),
        ((*OUTPUT_NAMES, DEAD_LETTER), WRITE),
        ((SHARDS,), (AclOperation.READ,)),
    ):
        for name in names:
            kafka.grant(USER, operations, ResourceType.TOPIC, stage.topics.name(name))
    for group_id in (stage.group_id, stage.shards_group_id):
        kafka.grant(USER, (AclOperation.READ,), ResourceType.GROUP, group_id)
    kafka.grant(
        USER,
        (AclOperation.WRITE,),
        ResourceType.TRANSACTIONAL_ID,
        f"{stage.group_id}-",
        prefixed=True,
    )


def wait_for_problem(worker: WorkerProcess, words: str) -> None:
    """Wait until the probe says a sentence with these words."""
    wait_until(
        lambda: any(re.search(words, problem) for problem in worker.problems() or ()),
        timeout_ms=WITHIN_SECONDS_MS,
        what=f"the probe says {words}",
    )


@pytest.mark.parametrize(
    ("name", "right", "operation"),
    [
        ("order-completed", "READ", AclOperation.READ),
        ("stock-changed", "WRITE", AclOperation.WRITE),
        ("reservation-changed", "DescribeConfigs", AclOperation.DESCRIBE_CONFIGS),
    ],
)
def test_a_right_on_a_topic_is_missed_while_running(
    stage: Stage, secured_kafka: SecuredKafka, name: str, right: str, operation: AclOperation
) -> None:
    """Topic and right stand in each of the three."""
    worker = stage.open_shop(accounts=[ACCOUNT])
    topic = stage.topics.name(name)
    secured_kafka.revoke(USER, operation, ResourceType.TOPIC, topic)
    wait_for_problem(worker, f"no right {right} on the topic {topic}")
    assert (worker.gauge("reservation_topic_problems", problem="no_right") or 0) >= 1
    assert topic in {line["topic"] for line in worker.logged("topic_problem_found")}
    secured_kafka.grant(USER, (operation,), ResourceType.TOPIC, topic)
    stage.send([patient_order("late", stage.clock.now_ms())])
    wait_for_statuses(stage, {"late": "Authorized"})
    worker.wait_until_ready()


@pytest.mark.parametrize(
    ("kind", "suffix", "operation"),
    [
        (ResourceType.GROUP, "", AclOperation.READ),
        (ResourceType.GROUP, "-shards", AclOperation.READ),
        (ResourceType.TRANSACTIONAL_ID, "-", AclOperation.WRITE),
    ],
)
def test_a_right_on_group_or_transactional_id_is_missing_at_the_start(
    stage: Stage,
    secured_kafka: SecuredKafka,
    kind: ResourceType,
    suffix: str,
    operation: AclOperation,
) -> None:
    """The process stays, says whose right it misses, and goes on when it has it."""
    name = f"{stage.group_id}{suffix}"
    is_prefix = kind is ResourceType.TRANSACTIONAL_ID
    secured_kafka.revoke(USER, operation, kind, name, prefixed=is_prefix)
    worker = stage.start()
    wait_for_problem(worker, f"{name}.* no right on the ")
    secured_kafka.grant(USER, (operation,), kind, name, prefixed=is_prefix)
    worker.wait_until_ready()
