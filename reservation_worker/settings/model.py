"""All settings of the worker."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from reservation_worker.settings.accounts import AccountSettings
from reservation_worker.settings.sections import (
    ApplySettings,
    ExpirySettings,
    HttpSettings,
    InputSettings,
    KafkaSettings,
    Name,
    ProcessSettings,
    PublishSettings,
    RedisSettings,
    RetentionSettings,
    TopicSettings,
)

ENVIRONMENT_PREFIX = "RESERVATION_"
NESTING = "__"


class Settings(BaseSettings):
    """All settings; `loading.load_settings` reads and checks them."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=NESTING,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    topics: TopicSettings = TopicSettings()
    input: InputSettings = InputSettings()
    apply: ApplySettings = ApplySettings()
    publish: PublishSettings = PublishSettings()
    expiry: ExpirySettings = ExpirySettings()
    retention: RetentionSettings = RetentionSettings()
    http: HttpSettings = HttpSettings()
    process: ProcessSettings = ProcessSettings()
    default_account: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The account of events that name none; unset: every event must name its own."""
    worker_slot: Name | None = None
    """Names this process among those of the group, the same after a restart; unset: random."""
    account_defaults: AccountSettings = AccountSettings()
    accounts: dict[str, AccountSettings] = Field(default_factory=dict)
    """By account: what differs from the defaults for all accounts."""

    def account(self, name: str) -> AccountSettings:
        """Return what counts for an account."""
        own = self.accounts.get(name)
        return self.account_defaults if own is None else own.with_defaults(self.account_defaults)
