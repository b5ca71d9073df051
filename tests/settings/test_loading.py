"""Where settings come from, and what is said when they cannot be used."""

from pathlib import Path

import pytest

from reservation_worker.cli.client_options import refused_client_options
from reservation_worker.domain.deadline import INVENTORY_PERIOD_DAYS
from reservation_worker.settings.loading import SettingsInvalid, load_settings
from reservation_worker.settings.names import all_settings

NAMES_THAT_OTHERS_RELY_ON = {
    "RESERVATION_KAFKA__BOOTSTRAP_SERVERS",
    "RESERVATION_REDIS__URL",
    "RESERVATION_KAFKA__GROUP_ID",
    "RESERVATION_TOPICS__ORDER_COMPLETED",
    "RESERVATION_TOPICS__PAYMENT_APPROVED",
    "RESERVATION_TOPICS__ORDER_INVOICED",
    "RESERVATION_TOPICS__ORDER_CANCELED",
    "RESERVATION_TOPICS__INVENTORY_UPDATED",
    "RESERVATION_TOPICS__RESERVATION_CHANGED",
    "RESERVATION_TOPICS__ACKNOWLEDGED_RESERVATION",
    "RESERVATION_TOPICS__STOCK_CHANGED",
    "RESERVATION_DEFAULT_ACCOUNT",
    "RESERVATION_WORKER_SLOT",
    "RESERVATION_EXPIRY__GRACE_SECONDS",
    "RESERVATION_HTTP__PORT",
    "RESERVATION_ACCOUNT_DEFAULTS__TIME_ZONE",
    "RESERVATION_ACCOUNT_DEFAULTS__LATE_PAYMENT",
    "RESERVATION_ACCOUNT_DEFAULTS__DEFAULT_PERIOD_SECONDS",
    "RESERVATION_ACCOUNT_DEFAULTS__PAYMENT_METHOD_PERIOD_SECONDS",
    "RESERVATION_ACCOUNT_DEFAULTS__INVENTORY_PERIOD_DAYS",
    "RESERVATION_ACCOUNT_DEFAULTS__INCOMPLETE_PERIOD_DAYS",
}


def written(path: Path, text: str) -> Path:
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(config_file: Path | None = None) -> tuple[str, ...]:
    """Return what is wrong with the settings."""
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(config_file)
    return caught.value.problems


def test_every_name_that_others_rely_on_is_known() -> None:
    """Manifests and runbooks name these variables: renaming one breaks them silently."""
    assert NAMES_THAT_OTHERS_RELY_ON <= {setting.variable for setting in all_settings()}


def test_every_setting_says_what_it_means() -> None:
    """The documentation is written from these texts."""
    assert [] == [one.variable for one in all_settings() if not one.field.description]


def test_the_defaults_alone_can_be_used() -> None:
    """Whoever tries it out sets nothing."""
    settings = load_settings()
    assert "localhost:9092" == settings.kafka.bootstrap_servers
    assert INVENTORY_PERIOD_DAYS == settings.account_defaults.inventory_period_days


def test_the_nearer_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command line, environment, secret files, configuration file, default: in this order."""
    config_file = written(
        tmp_path / "worker.toml",
        '[redis]\nusername = "file"\npassword = "file"\ntimeout_ms = 7\nattempts_max = 7\n'
        '[kafka]\ngroup_id = "file"\n',
    )
    monkeypatch.setenv("RESERVATION_REDIS__TIMEOUT_MS", "8")
    monkeypatch.setenv("RESERVATION_KAFKA__GROUP_ID", "environment")
    secret_file = written(tmp_path / "password", "secret\n")
    monkeypatch.setenv("RESERVATION_REDIS__PASSWORD_FILE", str(secret_file))

    settings = load_settings(config_file, {"kafka": {"group_id": "command-line"}})

    assert "command-line" == settings.kafka.group_id
    assert 8 == settings.redis.timeout_ms
    assert settings.redis.password is not None
    assert "secret" == settings.redis.password.get_secret_value()
    assert 7 == settings.redis.attempts_max
    assert "file" == settings.redis.username
    assert 300_000 == settings.kafka.max_poll_interval_ms


def test_the_environment_beats_the_secret_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is set directly is meant, for a trial, to replace the mounted one."""
    monkeypatch.setenv("RESERVATION_KAFKA__SASL_PASSWORD", "environment")
    secret_file = written(tmp_path / "password", "file")
    monkeypatch.setenv("RESERVATION_KAFKA__SASL_PASSWORD_FILE", str(secret_file))
    monkeypatch.setenv("RESERVATION_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("RESERVATION_KAFKA__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("RESERVATION_KAFKA__SASL_USERNAME", "worker")

    password = load_settings().kafka.sasl_password

    assert password is not None
    assert "environment" == password.get_secret_value()


def test_a_secret_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker must not go on without the password that it was promised."""
    monkeypatch.setenv("RESERVATION_REDIS__PASSWORD_FILE", "/nowhere/password")
    (problem,) = problems_of()
    assert (
        "RESERVATION_REDIS__PASSWORD_FILE: /nowhere/password cannot be read: "
        "No such file or directory"
    ) == problem


def test_an_unknown_variable_is_refused_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A misspelled limit that is ignored is found in the incident that it should have prevented."""
    monkeypatch.setenv("RESERVATION_EXPIRY__GRACE_SECOND", "5")
    (problem,) = problems_of()
    assert (
        "RESERVATION_EXPIRY__GRACE_SECOND: there is no such setting; "
        "did you mean RESERVATION_EXPIRY__GRACE_SECONDS?"
    ) == problem


def test_an_unknown_name_in_the_file_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    """The same holds for the file."""
    config_file = written(tmp_path / "worker.toml", "[expiry]\ngrace_second = 5\n")
    assert (
        "expiry.grace_second: there is no such setting; did you mean expiry.grace_seconds?",
    ) == problems_of(config_file)


def test_all_problems_are_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One restart per mistake is one too many."""
    monkeypatch.setenv("RESERVATION_HTTP__PORT", "eighty")
    monkeypatch.setenv("RESERVATION_NONSENSE", "1")
    monkeypatch.setenv("RESERVATION_KAFKA__EXTRA", "client.rack=a")
    config_file = written(tmp_path / "worker.toml", '[accounts.acme]\ntime_zone = "Mars/Olympus"\n')
    assert [
        "RESERVATION_NONSENSE",
        "RESERVATION_KAFKA__EXTRA",
        "http.port (RESERVATION_HTTP__PORT)",
        "accounts.acme.time_zone",
    ] == [problem.split(": ")[0] for problem in problems_of(config_file)]


def test_a_wrong_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are printed where everybody can read them."""
    monkeypatch.setenv("RESERVATION_REDIS__URL", "redis://worker:hush-hush@")
    assert "hush-hush" not in "".join(problems_of())
    assert "hush-hush" not in repr(load_settings(None, {"redis": {"url": "redis://x:hush-hush@h"}}))


@pytest.mark.parametrize("text", ["[kafka", 'default_account = "\udcff"'])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    """The parser's own words lead to the line."""
    config_file = tmp_path / "worker.toml"
    config_file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert all(problem.startswith(f"{config_file}: ") for problem in problems_of(config_file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Running on the defaults instead would be a surprise."""
    missing = tmp_path / "worker.toml"
    assert (f"{missing}: cannot be read: No such file or directory",) == problems_of(missing)


def test_an_account_takes_what_it_does_not_set_from_the_defaults_for_all(tmp_path: Path) -> None:
    """An account that only refunds late payments keeps the shop's time zone."""
    config_file = written(
        tmp_path / "worker.toml",
        '[account_defaults]\ntime_zone = "America/Sao_Paulo"\ndefault_period_seconds = 60\n'
        '[accounts.acme]\nlate_payment = "refund"\ndefault_period_seconds = 90\n',
    )
    settings = load_settings(config_file)
    acme, other = settings.account("acme"), settings.account("other")
    assert ("America/Sao_Paulo", "refund", 90) == (
        acme.time_zone,
        acme.late_payment,
        acme.default_period_seconds,
    )
    assert ("America/Sao_Paulo", "reacquire", 60) == (
        other.time_zone,
        other.late_payment,
        other.default_period_seconds,
    )


def test_maps_and_lists_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container has variables, and no file."""
    monkeypatch.setenv(
        "RESERVATION_ACCOUNT_DEFAULTS__PAYMENT_METHOD_PERIOD_SECONDS", '{"wallet": 1800}'
    )
    monkeypatch.setenv("RESERVATION_ACCOUNT_DEFAULTS__INVENTORY_PERIOD_DAYS", "[1,2,3,4,5,6,7]")
    defaults = load_settings().account_defaults
    assert {"wallet": 1800} == defaults.payment_method_period_seconds
    assert (1, 2, 3, 4, 5, 6, 7) == defaults.inventory_period_days


@pytest.mark.parametrize(
    "option", ["isolation.level", "transactional.id", "security.protocol", "sasl.mechanisms"]
)
def test_options_that_the_guarantees_or_other_settings_own_are_refused(option: str) -> None:
    """One line of tuning must not undo exactly-once."""
    settings = load_settings(None, {"kafka": {"extra": {option: "x", "client.rack": "a"}}})
    (refused,) = refused_client_options(settings)
    assert refused.startswith(f"kafka.extra must not set {option}: ")
