"""The same fact in every form in which it may come."""

from tests.integration.golden import PAID, GoldenShop
from tests.integration.shop import bare, binary, structured
from tests.integration.topics import Message

TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def _prefixed(message: Message) -> Message:
    """Put the prefix of a schema registry before the JSON."""
    return Message(message.topic, b"\x00\x00\x00\x00\x07" + (message.value or b""))


def _traced(message: Message) -> Message:
    headers = (*message.headers, ("traceparent", TRACEPARENT))
    return Message(message.topic, message.value, message.key, headers)


def test_every_encoding_states_the_same_fact(shop: GoldenShop) -> None:
    """Shops send what their bridges make of it; the id and the trace go along."""
    shop.open()
    fields = {"account": shop.account, "approved_at": PAID}
    topic = "payment-approved"
    encodings = {
        "bare": (bare(topic, **fields, order_id="bare"), None),
        "prefix": (_prefixed(bare(topic, **fields, order_id="prefix")), None),
        "binary": (_traced(binary(topic, "ce-1", **fields, order_id="binary")), "ce-1"),
        "structured": (structured(topic, "ce-2", **fields, order_id="structured"), "ce-2"),
        "pedido-ção/7": (bare(topic, **fields, order_id="pedido-ção/7"), None),
    }
    for order_id, (message, event_id) in encodings.items():
        shop.tell(message, event_id)
        change = shop.change(
            order_id,
            1,
            status="Awaiting",
            previous_status=None,
            reason="payment_approved",
            occurred_at=PAID,
            paid_at=PAID,
            lines=[],
        )
        shop.expect(change)
