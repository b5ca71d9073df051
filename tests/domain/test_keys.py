"""Where an account's keys are: pinned, because every worker there will ever be must agree."""

import pytest

from reservation_worker.domain.keys import shard_of


@pytest.mark.parametrize(
    ("account", "shards"),
    [
        ("acme", (0, 2, 14, 814)),
        ("north", (0, 2, 2, 514)),
        ("o/ther%", (0, 2, 10, 546)),
        ("shop-1", (0, 0, 0, 48)),
        ("Ä", (0, 3, 11, 163)),
        ("日本", (0, 0, 12, 756)),
        ("a" * 128, (0, 0, 12, 68)),
    ],
)
def test_an_account_stays_in_its_shard_for_ever(account: str, shards: tuple[int, ...]) -> None:
    """Another hash would look for every reservation in a shard that has never heard of it."""
    assert shards == tuple(shard_of(account, total) for total in (1, 4, 16, 1_000))
