"""``verify`` finds each kind of damage, names it, and has it mended where the topics are right."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis

from reservation_worker.telemetry.log_events import SHARD_REBUILD_BEGAN
from reservation_worker.verification import Check
from tests.integration import damages, index_damages, shop
from tests.integration.damages import Target
from tests.integration.processes import WorkerProcess
from tests.integration.stage import Stage, deadlines_of, open_stage
from tests.integration.verifying import Verified, assert_agrees, verify
from tests.tidy.tree import ROOT

ORDERS_EACH = 20
REASON = "tried in a test"


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to a shard, and how it must be named."""

    make: Callable[[Target], None]
    check: Check
    field: str
    """The beginning of it."""
    in_topics: bool = False
    """A rebuild cannot mend it."""


DAMAGES = (
    Damage(damages.bucket_off_by_one, Check.STOCKS, "confirmed"),
    Damage(damages.on_hand_off, Check.STOCKS, "on_hand"),
    Damage(damages.line_units_off, Check.RESERVATIONS, "lines[0].held"),
    Damage(damages.reservation_missing, Check.RESERVATIONS, "value"),
    Damage(damages.reservation_older, Check.RESERVATIONS, "version"),
    Damage(damages.reservation_extra, Check.RESERVATIONS, "value"),
    Damage(damages.reservation_unreadable, Check.RESERVATIONS, "value"),
    Damage(damages.stock_missing, Check.STOCKS, "value"),
    Damage(damages.stock_extra, Check.STOCKS, "value"),
    Damage(damages.stock_older, Check.STOCKS, "version"),
    Damage(index_damages.due_entry_missing, Check.INDEXES, "score in due"),
    Damage(index_damages.due_entry_extra, Check.INDEXES, "score in due"),
    Damage(index_damages.due_entry_of_nothing, Check.INDEXES, "score in due"),
    Damage(index_damages.due_score_wrong, Check.INDEXES, "score in due"),
    Damage(index_damages.over_entry_missing, Check.INDEXES, "score in over"),
    Damage(index_damages.over_entry_extra, Check.INDEXES, "score in over"),
    Damage(index_damages.awaiting_entry_missing, Check.INDEXES, "score in awaiting"),
    Damage(index_damages.settlement_missing, Check.INDEXES, "score in settle of line"),
    Damage(index_damages.settlement_extra, Check.INDEXES, "shop-"),
    Damage(index_damages.settlement_of_a_stock_extra, Check.INDEXES, "score in settle"),
    Damage(
        index_damages.acknowledged_entry_missing, Check.INDEXES, "score of the acknowledged entry"
    ),
    Damage(index_damages.acknowledged_entry_extra, Check.INDEXES, "load-"),
    Damage(
        index_damages.acknowledged_score_wrong, Check.INDEXES, "score of the acknowledged entry"
    ),
    Damage(damages.seen_invoice_lost, Check.RESERVATIONS, "invoices[0].id"),
    Damage(damages.kept_fact_lost, Check.RESERVATIONS, "kept[0]"),
    Damage(damages.deadline_changed, Check.RESERVATIONS, "expires_at_ms"),
    Damage(damages.step_behind_position, Check.POSITION, "step"),
    Damage(damages.published_ahead, Check.POSITION, "published"),
    Damage(damages.outbox_entry_missing, Check.OUTBOX, "entry of step"),
    Damage(damages.outbox_entry_left_over, Check.OUTBOX, "entry of step 1"),
    Damage(damages.writing_mark, Check.POSITION, "writing"),
    Damage(damages.meta_missing, Check.POSITION, "epoch"),
    Damage(damages.epoch_of_nobody, Check.POSITION, "epoch"),
    Damage(damages.epoch_of_a_former_owner, Check.POSITION, "epoch"),
    Damage(damages.server_of_nobody, Check.POSITION, "server"),
    Damage(damages.version_skipped, Check.VERSIONS, "version that follows", in_topics=True),
    Damage(damages.version_repeated, Check.VERSIONS, "version that follows", in_topics=True),
    Damage(damages.stock_contradicts_its_lines, Check.SUMS, "confirmed", in_topics=True),
    Damage(damages.buckets_do_not_add_up, Check.BUCKETS, "on_hand", in_topics=True),
    Damage(damages.line_does_not_add_up, Check.LINES, "units of line", in_topics=True),
    Damage(damages.event_published_again, Check.EVENT_IDS, "event id", in_topics=True),
    Damage(damages.event_of_no_step, Check.EVENT_IDS, "step of the event", in_topics=True),
    Damage(damages.event_unreadable, Check.EVENT_IDS, "stock-changed", in_topics=True),
)
"""One shard of the stage each."""


@dataclass(frozen=True, slots=True)
class Story:
    """What ``verify`` has said before the damage, after it, and after it was mended."""

    before: Verified
    after: Verified
    repaired: Verified
    worker: WorkerProcess


@pytest.fixture(scope="module")
def story(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Damage one shard in each way while no worker runs, then let one run and repair."""
    directory = tmp_path_factory.mktemp("damages")
    settings = {"RESERVATION_APPLY__FACTS_PER_STEP_MAX": "100"}
    with open_stage(
        kafka, directory, "damages", shards_total=len(DAMAGES), settings=settings
    ) as stage:
        _trade(stage)
        before = verify(stage)
        with redis.Redis.from_url(stage.valkey.url) as client:
            for shard, damage in enumerate(DAMAGES):
                damage.make(Target(stage, shard, client))
        after = verify(stage, "--timeout-seconds", "1")
        worker = stage.start()
        worker.wait_until_ready()
        mended = [shard for shard, damage in enumerate(DAMAGES) if not damage.in_topics]
        named = [part for shard in mended for part in ("--shard", str(shard))]
        repaired = verify(stage, *named, "--repair", "--reason", REASON, "--yes")
        yield Story(before, after, repaired, worker)


def _trade(stage: Stage) -> None:
    """Let every account have every kind of order, published to the last; the worker ends."""
    worker = stage.open_shop()
    now_ms = stage.clock.now_ms()
    for shard, account in enumerate(stage.accounts()):
        stage.send(shop.traffic(shard, now_ms, [account], ORDERS_EACH, f"load-{shard}"))
        early = {"account": account, "order_id": "early", "invoiced_at": shop.instant(now_ms)}
        units = [{"line_id": "1", "quantity": 1}]
        stage.send([shop.bare("order-invoiced", **early, invoice_id="early", lines=units)])
    stage.wait_until_time(deadlines_of(now_ms))
    stage.wait_until_settled()
    assert 0 == worker.drain()


def test_the_page_lists_every_damage() -> None:
    """What it says to be found is what is tried here."""
    page = (ROOT / "docs" / "verify.md").read_text("utf-8")
    listed = re.findall(r"^\| ([a-z ]+) \| `(\w+)` \| (yes|no) \|$", page, re.MULTILINE)
    assert [
        (
            damage.make.__name__.replace("_", " "),
            damage.check.value,
            "no" if damage.in_topics else "yes",
        )
        for damage in DAMAGES
    ] == listed


def test_nothing_differs_before(story: Story) -> None:
    """Without a worker as well: everything is published."""
    assert_agrees(story.before)


@pytest.mark.parametrize(
    ("shard", "damage"),
    list(enumerate(DAMAGES)),
    ids=[damage.make.__name__ for damage in DAMAGES],
)
def test_damage_is_found_and_named(story: Story, shard: int, damage: Damage) -> None:
    """By its shard, by what is damaged, by the field, and with both values."""
    found = [one for one in story.after.differences if one["shard"] == shard]
    named = [
        one
        for one in found
        if one["check"] == damage.check.value and one["field"].startswith(damage.field)
    ]
    assert named, found
    assert all(one["expected"] != one["found"] for one in found)


def test_damage_ends_with_5_and_all_are_counted(story: Story) -> None:
    """A script that watches needs no more than the code."""
    assert 5 == story.after.ended.code
    assert story.after.differences_total >= len(DAMAGES)
    assert set(range(len(DAMAGES))) == story.after.shards
    assert {} == story.after.unverified


def test_what_the_topics_are_right_about_is_mended(story: Story) -> None:
    """The second verification, after the rebuilds, finds nothing; the reason is in the log."""
    assert_agrees(story.repaired)
    reasons = [line["reason"] for line in story.worker.logged(SHARD_REBUILD_BEGAN)]
    assert sum(REASON in reason for reason in reasons) > 10
