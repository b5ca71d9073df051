"""What turns records into facts, or into dead letters."""

from collections.abc import Callable

from reservation_worker.composition.topics import topic_of
from reservation_worker.contracts.dead_letters import DeadLetterLimits, dead_letter
from reservation_worker.contracts.decode import AccountPolicy, Decoder, DecoderConfig
from reservation_worker.contracts.inputs import FactKind
from reservation_worker.contracts.records import DeadLetter, Record, Rejection
from reservation_worker.domain.deadline import DeadlineRules
from reservation_worker.settings.accounts import AccountSettings
from reservation_worker.settings.model import Settings

DAY_MS = 24 * 60 * 60 * 1000


def build_decoder(settings: Settings) -> Decoder:
    """Return what turns records into facts."""
    return Decoder(
        DecoderConfig(
            topics={topic_of(settings, kind): kind for kind in FactKind},
            default_account=settings.default_account,
            type_aliases={
                alias: FactKind(kind) for alias, kind in settings.input.type_aliases.items()
            },
            account_defaults=account_policy(settings.account_defaults),
            accounts={name: account_policy(settings.account(name)) for name in settings.accounts},
            accounts_allowed={
                topic_of(settings, FactKind(kind)): frozenset(accounts)
                for kind, accounts in settings.input.accounts_allowed.items()
            },
            clock_skew_ms=settings.input.clock_skew_seconds * 1000,
            longest_period_ms=settings.input.longest_period_days * DAY_MS,
            record_bytes_max=settings.input.record_bytes_max,
        )
    )


def account_policy(account: AccountSettings) -> AccountPolicy:
    """Return what the settings of an account mean to the decoder."""
    return AccountPolicy(
        deadline_rules=DeadlineRules(
            time_zone=account.zone,
            default_period_seconds=account.default_period_seconds,
            payment_method_period_seconds=account.payment_method_period_seconds,
            inventory_period_days=account.inventory_period_days,
            incomplete_period_days=account.incomplete_period_days,
        ),
        reacquire=account.late_payment == "reacquire",
        invoices_name_days=account.invoice_dates == "day",
    )


def build_dead_letter(settings: Settings) -> Callable[[Record, Rejection, int], DeadLetter]:
    """Return what writes the dead letter of a record."""
    limits = DeadLetterLimits(
        group_id=settings.kafka.group_id, record_bytes_max=settings.kafka.message_bytes_max
    )

    def write(record: Record, rejection: Rejection, failed_at_ms: int) -> DeadLetter:
        return dead_letter(record, rejection, limits, failed_at_ms)

    return write
