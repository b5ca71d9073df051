"""What `config show` and the log may say of the settings."""

import json
from pathlib import Path

import pytest

from reservation_worker.settings.loading import load_settings
from reservation_worker.settings.shown import settings_that_differ, shown_settings, shown_values

CANARY = "hush-hush"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """Hold a secret in a file."""
    file = tmp_path / "secret"
    file.write_text(CANARY, "utf-8")
    return file


def test_no_secret_is_shown_wherever_it_was_put(
    secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output goes into tickets: of the client's options, only harmless ones are shown."""
    monkeypatch.setenv("RESERVATION_REDIS__PASSWORD_FILE", str(secret_file))
    settings = load_settings(
        None,
        {
            "redis": {"url": f"redis://{CANARY}@redis"},
            "kafka": {
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": "OAUTHBEARER",
                "oauth_token_endpoint": "https://localhost/token",
                "oauth_client_id": "worker",
                "oauth_client_secret": CANARY,
                "extra": {
                    "client.rack": "rack-7",
                    "ssl.key.pem": CANARY,
                    "sasl.oauthbearer.extensions": f"token={CANARY}",
                    "an.option.of.a.later.release": CANARY,
                },
                "extra_files": {"ssl.keystore.password": str(secret_file)},
            },
        },
    )
    shown = json.dumps(shown_settings(settings))
    for text in (
        shown,
        json.dumps(settings_that_differ(settings)),
        json.dumps([value for _, value in shown_values(settings)]),
        repr(settings),
    ):
        assert CANARY not in text.replace(str(secret_file), "")
    assert "rack-7" in shown
    assert f"********** (from {secret_file})" == shown_settings(settings)["redis"]["password"]


def test_settings_that_differ_are_named_by_their_variables() -> None:
    """A start's log line says what was set, and nothing of what was not."""
    settings = load_settings(None, {"kafka": {"group_id": "shop"}, "http": {"port": 8080}})
    assert {"RESERVATION_KAFKA__GROUP_ID": "shop"} == settings_that_differ(settings)
