"""``reservation``: what is known of an order."""

from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import Account, AsJson, ConfigFile

if TYPE_CHECKING:
    from reservation_worker.cli.output import JsonValue
    from reservation_worker.domain.reservation import Reservation

PLACES = ("held", "acknowledged", "settled", "canceled", "expired", "denied")


def commands() -> typer.Typer:
    """Return the group."""
    group = typer.Typer(help="Reservations, as Redis has them now.", no_args_is_help=True)
    group.callback()(_several)
    group.command("show")(show_reservation)
    return group


def show_reservation(
    order_id: Annotated[str, typer.Argument(help="The order.")],
    account: Account = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the reservation of an order, line by line."""
    from reservation_worker.cli.dependencies import reaching_redis
    from reservation_worker.cli.failures import CheckFailed
    from reservation_worker.cli.options import account_named, read_settings
    from reservation_worker.cli.output import write_json
    from reservation_worker.composition import build_store
    from reservation_worker.domain.keys import ReservationId, shard_of

    settings = read_settings(config_file)
    named = account_named(account, settings)
    shard = shard_of(named, settings.topics.shards_total)
    with reaching_redis(settings):
        reservation = build_store(settings).reservation(shard, ReservationId(named, order_id))
    if reservation is None:
        raise CheckFailed(f"Account {named} has no reservation {order_id}.")
    if as_json:
        write_json(_as_json(reservation))
    else:
        _show(reservation)


def _several() -> None:
    """Keep the command's name, although the group has only one so far."""


def _as_json(reservation: "Reservation") -> "JsonValue":
    return {
        "account": reservation.id.account,
        "order_id": reservation.id.order_id,
        "version": reservation.version,
        "status": reservation.status.value,
        "completed_at": _time(reservation.completed_at_ms),
        "expires_at": _time(reservation.expires_at_ms),
        "paid_at": _time(reservation.paid_at_ms),
        "refund_needed": reservation.refund_needed,
        "lines": [
            {
                "line_id": line.line_id,
                "warehouse_id": line.warehouse_id,
                "sku": line.sku,
                "quantity": line.quantity,
                **{place: getattr(line, place) for place in PLACES},
            }
            for line in reservation.lines
        ],
    }


def _show(reservation: "Reservation") -> None:
    from reservation_worker.cli.output import write_line, write_table

    write_line(f"{reservation.id.account} {reservation.id.order_id}: {reservation.status.value}")
    write_line(f"version {reservation.version}")
    for name, at_ms in (
        ("completed at", reservation.completed_at_ms),
        ("expires at", reservation.expires_at_ms),
        ("paid at", reservation.paid_at_ms),
    ):
        if at_ms is not None:
            write_line(f"{name} {_time(at_ms)}")
    if reservation.refund_needed:
        write_line("refund needed")
    write_table(
        ("line", "warehouse", "sku", "quantity", *PLACES),
        (
            (
                line.line_id,
                line.warehouse_id,
                line.sku,
                line.quantity,
                *(getattr(line, place) for place in PLACES),
            )
            for line in reservation.lines
        ),
    )


def _time(at_ms: int | None) -> str | None:
    from reservation_worker.contracts.instants import instant_text

    return None if at_ms is None else instant_text(at_ms)
