"""What each account decides about its reservations."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

from reservation_worker.domain.deadline import (
    DEFAULT_PERIOD_SECONDS,
    INCOMPLETE_PERIOD_DAYS,
    INVENTORY_PERIOD_DAYS,
)
from reservation_worker.settings.sections import Section

YEAR_SECONDS = 366 * 24 * 60 * 60
PeriodSeconds = Annotated[int, Field(ge=1, le=YEAR_SECONDS)]
PeriodDays = Annotated[int, Field(ge=0, le=366)]


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"no such time zone: {name}; name one like America/Sao_Paulo")
    return name


class AccountSettings(Section):
    """What an account decides about its reservations."""

    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"
    """Where the account's days end."""
    late_payment: Literal["reacquire", "refund"] = "reacquire"
    """Whether units are held again when a payment comes after the deadline."""
    invoice_dates: Literal["time", "day"] = "time"
    """What the ERP knows of invoices' dates: a day is taken to its end, in the time zone above."""
    default_period_seconds: PeriodSeconds = DEFAULT_PERIOD_SECONDS
    """How long an order is held that has nothing else to tell."""
    payment_method_period_seconds: dict[str, PeriodSeconds] = Field(default_factory=dict)
    """How long by payment method, where no due date is given."""
    inventory_period_days: tuple[
        PeriodDays, PeriodDays, PeriodDays, PeriodDays, PeriodDays, PeriodDays, PeriodDays
    ] = INVENTORY_PERIOD_DAYS
    """Days after the due date, by its weekday, Monday first."""
    incomplete_period_days: PeriodDays = INCOMPLETE_PERIOD_DAYS
    """Days that an incomplete order may wait for its buyer."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)

    def with_defaults(self, defaults: "AccountSettings") -> "AccountSettings":
        """Take what is not set here from the defaults for all accounts."""
        own = {name: getattr(self, name) for name in self.model_fields_set}
        return defaults.model_copy(update=own)
