"""A fact on which the step's script breaks is told from an outage and from a missing right."""

from dataclasses import replace

import pytest
import redis

from reservation_worker.adapters.redis.scripts import Script, load_scripts
from reservation_worker.adapters.redis.store import RedisStore
from reservation_worker.domain.facts import Fact, OrderCompleted
from reservation_worker.domain.outcome import OutcomeKind
from reservation_worker.isolation import check_script
from reservation_worker.ports import FatallyBroken, StepCall, StepFailed, StepRefusal, StepReply
from tests.store.conftest import Bounds, FrozenClock, in_memory_store, redis_store
from tests.store.facts import counted, ordered
from tests.store.shard import EPOCH, SHARD, claim, step

POISON = "poison"
CUT_OFF = "redis.call('HSET', step.meta_key, 'writing', '1')\n"


def is_poison(fact: Fact) -> bool:
    """Tell whether a fact is the one that breaks the script in these tests."""
    return isinstance(fact, OrderCompleted) and fact.order_id == POISON


def planted(text_before: str, failure: str) -> dict[str, Script]:
    """Return the package's scripts with a failure behind some of the step's text."""
    scripts = dict(load_scripts())
    text = scripts["step"].text
    assert 1 == text.count(text_before)
    scripts["step"] = replace(
        scripts["step"], text=text.replace(text_before, text_before + failure)
    )
    return scripts


def test_a_broken_fact_breaks_its_own_step_and_no_other(client: redis.Redis) -> None:
    """Somebody wrote nonsense where a reservation belongs; the rest of the shard is well."""
    store = redis_store(client, Bounds())
    claim(store)
    client.set(f"{{s{SHARD}}}:r:acme/{POISON}", b"\xdc\xff\xff")
    alone = store.step(SHARD, EPOCH, (ordered(POISON),))
    among = store.step(SHARD, EPOCH, (ordered("early"), ordered(POISON), ordered("good")))
    assert isinstance(alone, StepFailed)
    assert "line" in alone.where
    assert "acme" not in alone.where
    assert alone == among
    others = store.begin_steps(
        [
            StepCall(SHARD, EPOCH, (ordered(POISON),)),
            StepCall(SHARD, EPOCH, (counted(5),)),
        ]
    ).replies()
    assert isinstance(others[0], StepFailed)
    assert isinstance(others[1], StepReply)
    assert (OutcomeKind.CHANGED,) == others[1].outcomes
    check_script(store, SHARD, EPOCH, alone)


def test_the_double_breaks_as_the_server_does() -> None:
    """Before anything is written, or in the middle."""
    store = in_memory_store(Bounds())
    claim(store)
    store.break_on(is_poison)
    assert isinstance(store.step(SHARD, EPOCH, (counted(5), ordered(POISON))), StepFailed)
    assert (OutcomeKind.CHANGED,) == step(store, (counted(5),)).outcomes
    store.break_on(is_poison, tears=True)
    assert isinstance(store.step(SHARD, EPOCH, (ordered(POISON),)), StepFailed)
    assert store.inspect(SHARD).torn


def test_a_script_that_breaks_among_its_writes_leaves_a_torn_shard(client: redis.Redis) -> None:
    """Redis takes nothing back: what was written is not believed, and the shard is rebuilt."""
    scripts = planted(CUT_OFF, "local nothing = nil; nothing.x = 1\n")
    store = RedisStore(client, redis_store(client, Bounds())._config, FrozenClock(), scripts)  # noqa: SLF001
    claim(store)
    failed = store.step(SHARD, EPOCH, (counted(5),))
    assert isinstance(failed, StepFailed)
    refused = store.step(SHARD, EPOCH, (counted(5),))
    assert StepRefusal.TORN == getattr(refused, "reason", None)


def test_a_script_that_breaks_on_everything_is_no_facts_fault(client: redis.Redis) -> None:
    """Else a server that lacks a command would turn all input into dead letters."""
    scripts = planted("-- Read.\n", "redis.call('NOSUCH')\n")
    store = RedisStore(client, redis_store(client, Bounds())._config, FrozenClock(), scripts)  # noqa: SLF001
    claim(store)
    failed = store.step(SHARD, EPOCH, (counted(5),))
    assert isinstance(failed, StepFailed)
    with pytest.raises(FatallyBroken, match="Every step fails"):
        check_script(store, SHARD, EPOCH, failed)
