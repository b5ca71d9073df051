"""An account is in the same shard for ever: its state and its events are where they have been."""

import pytest

from reservation_worker.domain.keys import shard_of


@pytest.mark.parametrize(
    ("account", "of_16", "of_4", "of_1000"),
    [
        ("acme", 14, 2, 814),
        ("other", 0, 0, 640),
        ("a", 3, 3, 907),
        ("", 0, 0, 0),
        ("loja-são-paulo", 13, 1, 69),
        ("a/b", 12, 0, 708),
    ],
)
def test_the_shard_of_an_account_never_changes(
    account: str, of_16: int, of_4: int, of_1000: int
) -> None:
    """In numbers: another release, machine or language must come to the same."""
    assert (of_16, of_4, of_1000) == tuple(shard_of(account, total) for total in (16, 4, 1_000))
