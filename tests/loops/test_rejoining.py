"""A client may stay outside of its group for ever: then the process ends, and another one joins."""

from reservation_worker.worker.rejoining import Rejoining
from tests.clocks import StandingClock


def test_a_member_that_does_not_come_back_is_given_up_only_while_kafka_answers() -> None:
    """In an outage nobody can come back, and a spare has never been in."""
    clock = StandingClock()
    rejoining = Rejoining(clock.monotonic_ms, 25_000)
    assert not rejoining.is_given_up(is_in=False, broker_answers=True)
    clock.advance(25_000)
    assert not rejoining.is_given_up(is_in=False, broker_answers=True)
    assert not rejoining.is_given_up(is_in=True, broker_answers=True)
    assert not rejoining.is_given_up(is_in=False, broker_answers=False)
    clock.advance(60_000)
    assert not rejoining.is_given_up(is_in=False, broker_answers=True)
    clock.advance(24_999)
    assert not rejoining.is_given_up(is_in=False, broker_answers=True)
    clock.advance(1)
    assert rejoining.is_given_up(is_in=False, broker_answers=True)
