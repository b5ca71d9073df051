"""What settings make of an input: through the decoder that a worker is given."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from reservation_worker.composition import build_decoder
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import Record, Rejection, RejectionCode
from reservation_worker.domain.facts import InputFact
from reservation_worker.settings.loading import SettingsInvalid, load_settings
from reservation_worker.settings.model import Settings

READ_AT_MS = 1_796_040_000_000
"""2026-11-30T12:00:00Z."""
ORDER: dict[str, object] = {
    "account": "acme",
    "order_id": "o-1",
    "completed_at": "2026-11-30T11:59:00Z",
    "lines": [{"line_id": "1", "warehouse_id": "main", "sku": "shirt", "quantity": 1}],
}


def read(settings: Settings, topic: str, body: Mapping[str, object]) -> InputFact | Rejection:
    """Return what a worker with these settings makes of a record."""
    record = Record(topic, 0, 0, READ_AT_MS, None, json.dumps(body).encode(), ())
    return build_decoder(settings).decode(record, READ_AT_MS)


def code_of(found: InputFact | Rejection) -> RejectionCode | None:
    """Return why a record was refused; None: it was not."""
    return found.code if isinstance(found, Rejection) else None


def test_a_topic_is_bound_to_accounts_by_its_default_name(tmp_path: Path) -> None:
    """Whatever it is called: the settings name what it carries."""
    config_file = tmp_path / "worker.toml"
    config_file.write_text(
        '[topics]\norder_completed = "shop.orders"\n'
        '[input.accounts_allowed]\norder-completed = ["gull", "crane"]\n',
        encoding="utf-8",
    )
    settings = load_settings(config_file)
    found = read(settings, "shop.orders", ORDER)
    assert RejectionCode.ACCOUNT_NOT_ALLOWED is code_of(found)
    assert None is code_of(read(settings, "shop.orders", ORDER | {"account": "gull"}))
    cancellation = {"account": "acme", "order_id": "o-1", "canceled_at": "2026-11-30T11:59:00Z"}
    assert None is code_of(read(settings, "order-canceled", cancellation))


ABOUT_ORDER: dict[str, object] = {"account": "acme", "order_id": "o-1"}
BODIES: dict[FactKind, dict[str, object]] = {
    FactKind.ORDER_COMPLETED: ORDER,
    FactKind.PAYMENT_APPROVED: ABOUT_ORDER | {"approved_at": "2026-11-30T11:59:00Z"},
    FactKind.ORDER_INVOICED: ABOUT_ORDER | {"invoiced_at": "2026-11-30T11:59:00Z"},
    FactKind.ORDER_CANCELED: ABOUT_ORDER | {"canceled_at": "2026-11-30T11:59:00Z"},
    FactKind.INVENTORY_UPDATED: {
        "account": "acme",
        "warehouse_id": "main",
        "sku": "shirt",
        "on_hand": 5,
        "counted_at": "2026-11-30T11:59:00Z",
    },
}


@pytest.mark.parametrize("kind", FactKind)
def test_every_topic_can_be_bound(kind: FactKind) -> None:
    """An account is spelt as it is allowed; one that is not named is the default one."""
    settings = load_settings(
        None, {"default_account": "gull", "input": {"accounts_allowed": {kind.value: ["acme"]}}}
    )
    body = BODIES[kind]
    assert None is code_of(read(settings, kind.value, body))
    nobodys = {name: value for name, value in body.items() if name != "account"}
    for other in (body | {"account": "ACME"}, body | {"account": "acme "}, nobodys):
        assert RejectionCode.ACCOUNT_NOT_ALLOWED is code_of(read(settings, kind.value, other))


def test_accounts_of_a_topic_may_be_given_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As every setting may."""
    variable = "RESERVATION_INPUT__ACCOUNTS_ALLOWED"
    monkeypatch.setenv(variable, '{"order-completed": ["gull"]}')
    found = read(load_settings(), "order-completed", ORDER)
    assert RejectionCode.ACCOUNT_NOT_ALLOWED is code_of(found)


@pytest.mark.parametrize(
    "allowed", [{"orders": ["acme"]}, {"order-completed": []}, {"order-completed": [""]}]
)
def test_a_list_of_accounts_that_would_do_nothing_or_stop_everything_is_refused(
    allowed: dict[str, list[str]],
) -> None:
    """A misspelt topic binds nobody; an empty list would refuse every event."""
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(None, {"input": {"accounts_allowed": allowed}})
    assert all("input.accounts_allowed" in problem for problem in caught.value.problems)


def test_the_longest_period_is_a_setting() -> None:
    """And so is its message: it names the days that count."""
    settings = load_settings(None, {"input": {"longest_period_days": 30}})
    for days, code in ((30, None), (31, RejectionCode.OUT_OF_BOUNDS)):
        found = read(
            settings, "order-completed", ORDER | {"reservation_ttl_seconds": days * 86_400}
        )
        assert code is code_of(found)
        if isinstance(found, Rejection):
            assert "30 days" in found.message
