"""``stock``: the units of one sku in one warehouse."""

from typing import TYPE_CHECKING, Annotated

import typer

from reservation_worker.cli.options import Account, AsJson, ConfigFile

if TYPE_CHECKING:
    from reservation_worker.cli.output import JsonValue
    from reservation_worker.domain.stock import Stock

BUCKETS = ("on_hand", "available", "authorized", "confirmed", "acknowledged")


def commands() -> typer.Typer:
    """Return the group."""
    group = typer.Typer(help="Stocks, as Redis has them now.", no_args_is_help=True)
    group.callback()(_several)
    group.command("show")(show_stock)
    return group


def show_stock(
    warehouse_id: Annotated[str, typer.Argument(help="The warehouse.")],
    sku: Annotated[str, typer.Argument(help="The stock-keeping unit.")],
    account: Account = None,
    config_file: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show in which buckets the units of a stock are."""
    from reservation_worker.cli.dependencies import reaching_redis
    from reservation_worker.cli.failures import CheckFailed
    from reservation_worker.cli.options import account_named, read_settings
    from reservation_worker.cli.output import write_json, write_line, write_table
    from reservation_worker.composition import build_store
    from reservation_worker.domain.keys import StockId, shard_of

    settings = read_settings(config_file)
    named = account_named(account, settings)
    shard = shard_of(named, settings.topics.shards_total)
    with reaching_redis(settings):
        stock = build_store(settings).stock(shard, StockId(named, warehouse_id, sku))
    if stock is None:
        raise CheckFailed(f"Account {named} has no stock of {sku} in {warehouse_id}.")
    if as_json:
        write_json(_as_json(stock))
        return
    write_table(BUCKETS, [[getattr(stock, bucket) for bucket in BUCKETS]])
    if stock.limit:
        write_line(f"limit {stock.limit}")
    if stock.unlimited:
        write_line("unlimited")


def _several() -> None:
    """Keep the command's name, although the group has only one so far."""


def _as_json(stock: "Stock") -> "JsonValue":
    from reservation_worker.contracts.instants import instant_text

    counted_at_ms = stock.counted_at_ms
    return {
        "account": stock.id.account,
        "warehouse_id": stock.id.warehouse_id,
        "sku": stock.id.sku,
        **{bucket: getattr(stock, bucket) for bucket in BUCKETS},
        "limit": stock.limit,
        "unlimited": stock.unlimited,
        "counted_at": None if counted_at_ms is None else instant_text(counted_at_ms),
    }
