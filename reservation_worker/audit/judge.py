"""Judges what was read and what was published: a pure function of the topics' contents."""

from collections.abc import Iterable

from reservation_worker.audit.arrival import judge_arrival
from reservation_worker.audit.buckets import judge_buckets
from reservation_worker.audit.deadlines import judge_deadlines
from reservation_worker.audit.outcomes import judge_outcomes
from reservation_worker.audit.removals import is_orphan, judge_removals
from reservation_worker.audit.replay import replay
from reservation_worker.audit.topics import AuditConfig, read_inputs, read_steps
from reservation_worker.audit.verdict import Findings, Verdict
from reservation_worker.audit.versions import judge_versions
from reservation_worker.contracts.decode import Decoder
from reservation_worker.contracts.records import Record


def judge(
    inputs: Iterable[Record], outputs: Iterable[Record], decoder: Decoder, config: AuditConfig
) -> Verdict:
    """Return how the laws fared.

    ``inputs`` are all records of the input topics, ``outputs`` those of the output topics and of
    the dead letters as a ``read_committed`` reader sees them; each partition's in order of offsets.
    """
    findings = Findings()
    stated = read_inputs(inputs, decoder, config.audited_at_ms)
    published = list(outputs)
    letters = [one for one in published if one.topic == config.dead_letter_topic]
    orphans = [one for one in letters if is_orphan(one)]
    events = [one for one in published if one.topic != config.dead_letter_topic]
    steps = read_steps(events, config, findings)
    judge_versions(steps, findings)
    judge_buckets(steps, findings)
    replayed = replay(steps, stated, config, findings)
    judge_outcomes(
        stated, [one for one in letters if not is_orphan(one)], replayed, config, findings
    )
    judge_removals(steps, stated, orphans, config, findings)
    judge_deadlines(steps, stated, replayed, config, findings)
    judge_arrival(steps, stated, replayed, findings)
    return findings.verdict()
