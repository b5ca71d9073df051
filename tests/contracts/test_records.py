"""What records tell by themselves."""

import pytest

from reservation_worker.contracts.records import step_of


def test_an_event_id_tells_its_step() -> None:
    """As bytes and as text: clients give either."""
    assert (1207, 7) == (step_of({"ce_id": b"3-1207-14"}), step_of({"ce_id": "3-7-0"}))


@pytest.mark.parametrize("text", ["", "nonsense", "3-x-1", "3-1207", "3-1207-14-5", "3--1-2"])
def test_another_form_of_id_tells_none(text: str) -> None:
    """Whoever has written it, reading a shard back must not end on it."""
    assert 0 == step_of({"ce_id": text})
    assert 0 == step_of({})
