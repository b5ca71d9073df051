"""What Kubernetes puts into the environment is left alone; what somebody misspelt is not."""

import pytest

from reservation_worker.settings.loading import SettingsInvalid, load_settings

LINKS = {
    "RESERVATION_WORKER_SERVICE_HOST": "10.0.0.7",
    "RESERVATION_WORKER_SERVICE_PORT": "8080",
    "RESERVATION_WORKER_SERVICE_PORT_METRICS": "8080",
    "RESERVATION_WORKER_PORT": "tcp://10.0.0.7:8080",
    "RESERVATION_WORKER_PORT_8080_TCP": "tcp://10.0.0.7:8080",
    "RESERVATION_WORKER_PORT_8080_TCP_PROTO": "tcp",
    "RESERVATION_WORKER_PORT_8080_TCP_PORT": "8080",
    "RESERVATION_WORKER_PORT_8080_TCP_ADDR": "10.0.0.7",
    "RESERVATION_PORT": "udp://10.0.0.8:53",
    "RESERVATION_SERVICE_HOST": "10.0.0.8",
    "RESERVATION_API_V2_PORT_443_TCP": "tcp://10.0.0.9:443",
}


def test_the_links_of_services_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any service of the namespace whose name begins so puts them into every pod."""
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RESERVATION_HTTP__PORT", "9090")
    assert 9090 == load_settings().http.port


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("RESERVATION_HTTP_PORT", "8080", "RESERVATION_HTTP__PORT"),
        ("RESERVATION_HTTP_HOST", "127.0.0.1", "RESERVATION_HTTP__HOST"),
        ("RESERVATION_WORKER_SLOTS", "tcp://10.0.0.7:8080", "RESERVATION_WORKER_SLOT"),
        ("RESERVATION_REDIS_URL", "redis://redis:6379", "RESERVATION_REDIS__URL"),
    ],
)
def test_a_misspelt_setting_is_still_refused(
    name: str, value: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single underscore where two belong looks like a link, and is the likeliest mistake."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as caught:
        load_settings()
    assert (f"{name}: there is no such setting; did you mean {meant}?",) == caught.value.problems
