"""What is fetched from elsewhere is run only if it is what this package was written for."""

import gc
import hashlib
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reservation_worker.embedded import (
    ChecksumMismatch,
    DownloadFailed,
    ExtraNotInstalled,
    ignore_progress,
)
from reservation_worker.embedded.kafka_jars import (
    KAFKA_VERSION,
    Jar,
    cache_directory,
    kafka_jars,
    listed_jars,
)

GENUINE = b"the genuine jar"
JAR = Jar("org.example", "broker", "1.0", hashlib.sha256(GENUINE).hexdigest())


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Drop the line."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Serve a Maven repository on the loopback that stands for the public one."""
    root = tmp_path / "mirror"
    root.mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(QuietHandler, directory=str(root))
    ) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        settings = tmp_path / "jgo.conf"
        settings.write_text(
            f"[repositories]\ncentral = http://127.0.0.1:{server.server_address[1]}\n"
        )
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        yield root
        server.shutdown()
        serving.join()
    with warnings.catch_warnings():
        # The fetching library leaves refused answers to the garbage collector, which would
        # blame whichever test runs when it comes by.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def serve(root: Path, content: bytes) -> None:
    """Put the jar where its coordinates say."""
    place = root / "org" / "example" / "broker" / "1.0"
    place.mkdir(parents=True)
    (place / JAR.file_name).write_bytes(content)


def test_fetched_jar_is_kept_and_not_fetched_again(mirror: Path, tmp_path: Path) -> None:
    """The first start says what it does; later ones need no network and are quick."""
    serve(mirror, GENUINE)
    kept = tmp_path / "kept"
    lines: list[str] = []
    (jar,) = kafka_jars(lines.append, kept, [JAR])
    assert jar.read_bytes() == GENUINE
    assert [JAR.file_name] == [path.name for path in kept.iterdir()]
    assert "fetching 1 jars" in lines[0]
    assert str(kept) in lines[0]
    (mirror / "org" / "example" / "broker" / "1.0" / JAR.file_name).unlink()
    assert kafka_jars(lines.append, kept, [JAR]) == (jar,)
    assert len(lines) == 3


def test_jar_of_another_content_is_refused_and_not_kept(mirror: Path, tmp_path: Path) -> None:
    """A mirror or a proxy that was broken into must not reach this machine."""
    serve(mirror, b"a tampered jar")
    kept = tmp_path / "kept"
    with pytest.raises(ChecksumMismatch, match=r"broker-1\.0\.jar .*listed in this package"):
        kafka_jars(ignore_progress, kept, [JAR])
    assert not list(kept.iterdir())


def test_damaged_jar_of_the_cache_is_fetched_again(mirror: Path, tmp_path: Path) -> None:
    """A full disk or a crash must not need a hand to be cleaned up after."""
    serve(mirror, GENUINE)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / JAR.file_name).write_bytes(GENUINE[:3])
    (jar,) = kafka_jars(ignore_progress, kept, [JAR])
    assert jar.read_bytes() == GENUINE


@pytest.mark.usefixtures("mirror")
def test_jar_that_cannot_be_fetched_is_named_with_a_way_out(tmp_path: Path) -> None:
    """Behind a company's proxy this is the first thing that one sees."""
    with pytest.raises(DownloadFailed, match=r"org\.example:broker:1\.0 .*HTTPS_PROXY"):
        kafka_jars(ignore_progress, tmp_path / "kept", [JAR])


def test_place_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    """A user without a home, as in most containers, gets a sentence and no traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(DownloadFailed, match=r"/file/kept: Not a directory.*XDG_CACHE_HOME"):
        kafka_jars(ignore_progress, tmp_path / "file" / "kept", [JAR])


def test_missing_extra_is_named_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What cannot be fetched needs no place, and says nothing of fetching."""
    monkeypatch.setattr(f"{kafka_jars.__module__}.find_spec", lambda _name: None)
    lines: list[str] = []
    with pytest.raises(ExtraNotInstalled, match=r"reservation-worker\[embedded\]"):
        kafka_jars(lines.append, tmp_path / "kept", [JAR])
    assert not lines
    assert not (tmp_path / "kept").exists()


def test_list_has_the_broker_and_each_name_once() -> None:
    """Two versions of one library on the class path are a riddle later."""
    jars = listed_jars()
    artifacts = [jar.artifact for jar in jars]
    assert sorted(set(artifacts)) == sorted(artifacts)
    assert f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" in {jar.coordinates for jar in jars}


def test_cache_is_where_the_user_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is put where nobody would look for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path / "reservation-worker" / f"kafka-{KAFKA_VERSION}" == cache_directory()
