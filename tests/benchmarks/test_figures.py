"""What becomes of the figures of several runs."""

import msgspec
import pytest

from reservation_worker.benchmark.figures import (
    Document,
    Spread,
    percentile,
    ratio,
    reached,
    rounded,
    spread,
    valid_runs,
)
from tests.benchmarks.sample_document import CONDITIONS, whole_document


def test_runs_become_their_least_their_middle_and_their_greatest() -> None:
    """A mean would hide the one run that a neighbor disturbed."""
    assert Spread(1.0, 2.0, 9.0) == spread([9.0, 1.0, 2.0])
    assert Spread(3.0, 3.0, 3.0) == spread([3.0])


@pytest.mark.parametrize(
    ("value", "shown"), [(12_345.678, 12_350.0), (0.123456, 0.1235), (0.0, 0.0), (7.0, 7.0)]
)
def test_figures_claim_four_digits(value: float, shown: float) -> None:
    """Nothing here can be measured more exactly, and more digits would pretend."""
    assert shown == rounded(value)


def test_ratio_is_that_of_each_turn() -> None:
    """A run in a slow minute is held against what the same minute allowed."""
    assert Spread(0.25, 0.5, 0.75) == ratio([10.0, 5.0, 15.0], [40.0, 10.0, 20.0])
    with pytest.raises(ValueError, match="shorter"):
        ratio([10.0, 5.0], [40.0])


def test_a_run_above_what_its_servers_do_alone_is_not_valid() -> None:
    """It is not fast: it, or the ceiling that took its turn beside it, was disturbed."""
    worker, steps, transactions = [10.0, 41.1, 12.0], [20.0, 50.0, 11.0], [40.0, 2.0, 40.0]
    assert [0] == valid_runs(worker, steps, transactions)
    assert [0, 1] == valid_runs(worker, steps)
    assert [0, 1, 2] == valid_runs(worker)
    assert Spread(0.5, 0.5, 0.5) == reached(worker, steps, [0])
    assert reached(worker, steps, []) is None


def test_percentile_is_not_exceeded_by_so_many_of_a_hundred() -> None:
    """Of 1 to 1,000, 990 do not exceed the 99th percentile."""
    assert 990 == int(percentile(list(range(1, 1_001)), 99))
    assert 500 == int(percentile(list(range(1, 1_001)), 50))


@pytest.mark.parametrize("document", [whole_document(), Document(CONDITIONS)], ids=["all", "none"])
def test_document_survives_being_written_and_read(document: Document) -> None:
    """Whoever compares releases reads the file of an earlier one."""
    written = msgspec.json.encode(document)
    assert written == msgspec.json.encode(msgspec.json.decode(written, type=Document))
