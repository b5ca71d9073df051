"""How far a shard is, by what Redis says and by what Kafka says."""

from reservation_worker.domain.values import value_class
from reservation_worker.ports import OutboxLook, Position
from reservation_worker.verification.differences import Check


@value_class(frozen=True, slots=True)
class PositionProblem:
    """One field that cannot be as it is."""

    check: Check
    field: str
    expected: str
    found: str


def position_problems(
    before: OutboxLook, position: Position, after: OutboxLook
) -> list[PositionProblem]:
    """Hold looks taken before and after a position was read against it, and against themselves.

    Steps, epochs and positions only grow: what was seen before cannot be further than what was
    read later.
    """
    problems: list[PositionProblem] = []
    if before.published > position.step:
        problems.append(_of_meta("published", f"at most {position.step}", before.published))
    if after.moment.step < position.step:
        problems.append(_of_meta("step", f"at least {position.step}", after.moment.step))
    if before.moment.epoch > position.minted:
        problems.append(_of_meta("epoch", f"at most {position.minted}", before.moment.epoch))
    if after.moment.epoch < position.served:
        problems.append(_of_meta("epoch", f"at least {position.served}", after.moment.epoch))
    return [*problems, *outbox_problems(after)]


def outbox_problems(look: OutboxLook) -> list[PositionProblem]:
    """Hold the entries of the outbox against what ``meta`` says, as of one moment."""
    problems = [
        PositionProblem(Check.OUTBOX, f"entry of step {step}", "there", "missing")
        for step in look.missing
    ]
    problems += [
        PositionProblem(Check.OUTBOX, f"entry of step {step}", "none", "there")
        for step in look.strays
    ]
    if look.published > look.moment.step:
        problems.append(_of_meta("published", f"at most {look.moment.step}", look.published))
    return problems


def _of_meta(field: str, expected: str, found: int) -> PositionProblem:
    return PositionProblem(Check.POSITION, field, expected, str(found))
