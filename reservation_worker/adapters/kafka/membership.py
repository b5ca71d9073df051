"""Capturing who a consumer is in its group."""

from confluent_kafka import Consumer, KafkaException

from reservation_worker.ports import Membership


def capture_membership(consumer: Consumer) -> Membership | None:
    """Return the membership of this moment; None while there is none.

    To be called before the poll that serves rebalances, and used only if that poll served none:
    then it is not newer than the partitions held. An empty member id is no member at all, and
    brokers would not check it against anything.
    """
    try:
        member_id = consumer.memberid()
        token = consumer.consumer_group_metadata()
        if not member_id or consumer.memberid() != member_id:
            return None
    except KafkaException:
        return None
    return Membership(member_id, token)
