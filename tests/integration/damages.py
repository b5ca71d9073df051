"""Kinds of damage to what a shard has, each as somebody or something might do it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import redis
from confluent_kafka import Producer

from reservation_worker.adapters.redis.records import FIRST_LINE
from tests.integration.stage import Stage
from tests.reader import QUIET

ENTRY = "a:"
unpack = msgspec.msgpack.Decoder().decode
pack = msgspec.msgpack.Encoder().encode
VERSION, EXPIRES_AT, ACKNOWLEDGED, INVOICES, KEPT = 0, 2, 6, 7, 10
HELD = 3
STEP_FAR_AWAY = 1_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """One shard of a stage whose worker has ended, and everything of which is published."""

    stage: Stage
    shard: int
    client: redis.Redis

    def key(self, name: str) -> bytes:
        """Return a key of the shard."""
        return f"{{s{self.shard}}}:{name}".encode()

    def keys(self, kind: str) -> list[bytes]:
        """Return the keys of one kind, in order."""
        return sorted(self.client.scan_iter(self.key(f"{kind}:*")))

    def value(self, key: bytes) -> bytes:
        """Return what stands there."""
        value = self.client.get(key)
        assert isinstance(value, bytes)
        return value

    def reservation(self, fits: Callable[[list[Any]], bool]) -> tuple[bytes, list[Any]]:
        """Return the first reservation that fits: its key, and what is packed."""
        for key in self.keys("r"):
            packed = unpack(self.value(key))
            if fits(packed):
                return key, packed
        raise AssertionError("the traffic had no such reservation")

    def change(self, key: bytes, packed: object) -> None:
        """Write a value as a step would pack it."""
        self.client.set(key, pack(packed))

    def newest(self, topic: str, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the last event of this shard in a topic that fits."""
        name = self.stage.topics.name(topic)
        found = [
            json.loads(record.value or b"")
            for record in self.stage.cluster.read([name])
            if record.partition == self.shard
        ]
        fitting: list[dict[str, Any]] = [one for one in found if fits(one)]
        return fitting[-1]

    def publish(self, topic: str, body: dict[str, Any], key: str) -> None:
        """Write an event as a stranger may, who has the right to."""
        producer = Producer({"bootstrap.servers": self.stage.cluster.bootstrap_servers, **QUIET})
        producer.produce(
            self.stage.topics.name(topic),
            json.dumps(body).encode(),
            key.encode(),
            self.shard,
            headers={"ce_id": body["event_id"]},
        )
        assert producer.flush(30) == 0


def is_held(packed: list[Any]) -> bool:
    """Whether a unit of the first line is held."""
    return len(packed) > FIRST_LINE and packed[FIRST_LINE + HELD] > 0


# ---- buckets and lines


def bucket_off_by_one(target: Target) -> None:
    """One unit more is sold than any order has."""
    key = target.keys("s")[0]
    values, counts = unpack(target.value(key))
    values[3] += 1
    target.change(key, (values, counts))


def on_hand_off(target: Target) -> None:
    """A count was changed by hand."""
    key = target.keys("s")[0]
    values, counts = unpack(target.value(key))
    values[1] += 100
    target.change(key, (values, counts))


def line_units_off(target: Target) -> None:
    """A line has given back a unit that its stock does not know of."""
    key, packed = target.reservation(is_held)
    packed[FIRST_LINE + HELD] -= 1
    packed[FIRST_LINE + HELD + 3] += 1
    target.change(key, packed)


# ---- keys that are missing, older, or too many


def reservation_missing(target: Target) -> None:
    """An order could be completed once more."""
    key, _ = target.reservation(is_held)
    target.client.delete(key)


def reservation_older(target: Target) -> None:
    """The last change is not there."""
    key, packed = target.reservation(lambda one: one[VERSION] > 1 and is_held(one))
    packed[VERSION] -= 1
    target.change(key, packed)


def reservation_extra(target: Target) -> None:
    """Somebody made an order by hand."""
    key, packed = target.reservation(lambda one: one[EXPIRES_AT] is False)
    packed[ACKNOWLEDGED] = False
    target.change(key + b"-copy", packed)


def reservation_unreadable(target: Target) -> None:
    """What stands there no worker has packed."""
    key, _ = target.reservation(is_held)
    target.client.set(key, b"\x93nonsense")


def stock_missing(target: Target) -> None:
    """All of its units may be sold again, once it is counted."""
    target.client.delete(target.keys("s")[0])


def stock_extra(target: Target) -> None:
    """Nobody has ever counted it."""
    key = target.keys("s")[0]
    target.client.set(key + b"-copy", target.value(key))


def stock_older(target: Target) -> None:
    """It is what it was a step ago."""
    key = target.keys("s")[0]
    values, counts = unpack(target.value(key))
    values[0] -= 1
    target.change(key, (values, counts))


# ---- what is remembered


def seen_invoice_lost(target: Target) -> None:
    """The same invoice again would count twice."""
    key, packed = target.reservation(lambda one: bool(one[INVOICES]))
    packed[INVOICES] = False
    target.change(key, packed)


def kept_fact_lost(target: Target) -> None:
    """The early invoice would never take effect."""
    key, packed = target.reservation(lambda one: bool(one[KEPT]))
    packed[KEPT] = False
    target.change(key, packed)


def deadline_changed(target: Target) -> None:
    """The reservation says something else than what is published, its index agrees with it."""
    key, packed = target.reservation(lambda one: bool(one[EXPIRES_AT]))
    later = int(packed[EXPIRES_AT]) + 3_600_000
    packed[EXPIRES_AT] = str(later)
    target.change(key, packed)
    target.client.zadd(target.key("due"), {key.partition(b":r:")[2]: later})


# ---- steps and owners


def step_behind_position(target: Target) -> None:
    """Redis was restored from something older."""
    step = int(target.client.hget(target.key("meta"), "step") or 0)
    target.client.hset(target.key("meta"), mapping={"step": step - 1, "published": step - 1})


def published_ahead(target: Target) -> None:
    """Steps would be trimmed that nobody has published."""
    step = int(target.client.hget(target.key("meta"), "step") or 0)
    target.client.hset(target.key("meta"), mapping={"step": step + 2, "published": step + 2})


def outbox_entry_missing(target: Target) -> None:
    """A step was made, and what it must publish is gone."""
    target.client.hincrby(target.key("meta"), "step", 1)


def outbox_entry_left_over(target: Target) -> None:
    """An entry that nobody will ever publish or remove."""
    target.client.set(target.key("o:1"), b"left over")


def writing_mark(target: Target) -> None:
    """A step was cut off in the middle of its writes."""
    target.client.hset(target.key("meta"), "writing", "1")


def meta_missing(target: Target) -> None:
    """Nothing says any more which steps the values are of."""
    target.client.delete(target.key("meta"))


def epoch_of_nobody(target: Target) -> None:
    """No owner was ever given it."""
    target.client.hincrby(target.key("meta"), "epoch", 1_000_000_000)


def epoch_of_a_former_owner(target: Target) -> None:
    """A newer one has published already."""
    target.client.hset(target.key("meta"), "epoch", "5")


def server_of_nobody(target: Target) -> None:
    """Which server the owner has looked at is not known."""
    target.client.hset(target.key("meta"), "server", "")


# ---- the topics


def version_skipped(target: Target) -> None:
    """A change was published that does not follow the one before."""
    body = target.newest("reservation-changed", lambda one: one["status"] == "Confirmed")
    body["version"] += 2
    target.publish("reservation-changed", next_event(target, body), key_of(body, "order_id"))


def version_repeated(target: Target) -> None:
    """A change was published a second time, with another id."""
    body = target.newest("reservation-changed", lambda one: one["status"] == "Confirmed")
    target.publish("reservation-changed", next_event(target, body), key_of(body, "order_id"))


def stock_contradicts_its_lines(target: Target) -> None:
    """A stranger has written a stock of which units are sold that no order has."""
    body = target.newest("stock-changed", lambda one: one["sku"] == "cup")
    body.update(version=body["version"] + 1, confirmed=body["confirmed"] + 1)
    body["available"] -= 1
    target.publish("stock-changed", next_event(target, body), key_of(body, "warehouse_id", "sku"))


def buckets_do_not_add_up(target: Target) -> None:
    """A stranger has written a stock with more units than it has."""
    body = target.newest("stock-changed", lambda one: one["sku"] == "cup")
    body.update(version=body["version"] + 1, available=body["available"] + 1)
    target.publish("stock-changed", next_event(target, body), key_of(body, "warehouse_id", "sku"))


def line_does_not_add_up(target: Target) -> None:
    """A stranger has written an order with more units in it than were ordered."""
    body = target.newest("reservation-changed", lambda one: one["status"] == "Canceled")
    body["version"] += 1
    body["lines"][0]["denied"] += 1
    target.publish("reservation-changed", next_event(target, body), key_of(body, "order_id"))


def event_published_again(target: Target) -> None:
    """An event stands in its partition twice."""
    body = target.newest("stock-changed", lambda one: one["sku"] == "cup")
    target.publish("stock-changed", body, key_of(body, "warehouse_id", "sku"))


def event_of_no_step(target: Target) -> None:
    """The position says that there has been no such step."""
    body = target.newest("stock-changed", lambda one: one["sku"] == "cup")
    body.update(version=body["version"] + 1, event_id=f"{target.shard}-{STEP_FAR_AWAY}-0")
    target.publish("stock-changed", body, key_of(body, "warehouse_id", "sku"))


def event_unreadable(target: Target) -> None:
    """No worker writes such a thing."""
    target.publish("stock-changed", {"event_id": "nonsense"}, "shop/main/cup")


def next_event(target: Target, body: dict[str, Any]) -> dict[str, Any]:
    """Number an event as the next one of the last step of the shard."""
    step = int(target.client.hget(target.key("meta"), "step") or 0)
    return {**body, "event_id": f"{target.shard}-{step}-100"}


def key_of(body: dict[str, Any], *names: str) -> str:
    """Return the key that an event must have."""
    return "/".join((body["account"], *(body[name] for name in names)))
