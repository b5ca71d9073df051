"""The jars of Apache Kafka: fetched once, checked against this package's list, and kept.

`kafka_jars.sha256` lists every jar with its checksum. It is the whole closure of what the broker
needs, so nothing is resolved at a start: what is listed is fetched, and nothing else is run.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from reservation_worker.embedded import (
    ChecksumMismatch,
    DownloadFailed,
    ExtraNotInstalled,
    Progress,
)

KAFKA_VERSION = "4.4.0"
DOWNLOADS_AT_ONCE = 4
DOWNLOAD_TIMEOUT_SECONDS = 60
DOWNLOAD_ATTEMPTS_MAX = 3
DOWNLOAD_SIZE = "about 45 MB"


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar by its Maven coordinates, and the checksum it must have."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """The Maven coordinates, as `group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """The name under which the jar is kept."""
        return f"{self.artifact}-{self.version}.jar"


def kafka_jars(
    progress: Progress, directory: Path | None = None, jars: Sequence[Jar] | None = None
) -> tuple[Path, ...]:
    """Have all jars on disk, verified; what is missing or damaged is fetched.

    `directory` is where they are kept: the user's cache unless told otherwise. `jars` are the
    listed ones unless told otherwise.

    Raises:
        DownloadFailed: a jar could not be fetched, or cannot be kept.
        ChecksumMismatch: a fetched jar is not the listed one; it is not kept.
        ExtraNotInstalled: jars are missing, and so is the package that fetches them.
    """
    kept = cache_directory() if directory is None else directory
    wanted = listed_jars() if jars is None else tuple(jars)
    missing = [jar for jar in wanted if not _is_whole(kept / jar.file_name, jar)]
    if missing:
        if find_spec("jgo") is None:
            raise ExtraNotInstalled("jgo")
        _make_writable(kept)
        _fetch(missing, kept, progress)
    return tuple(kept / jar.file_name for jar in wanted)


def cache_directory() -> Path:
    """The user's cache for this version: `$XDG_CACHE_HOME`, or `~/.cache`, and our name."""
    root = os.environ.get("XDG_CACHE_HOME")
    base = Path(root) if root else Path.home() / ".cache"
    return base / "reservation-worker" / f"kafka-{KAFKA_VERSION}"


def listed_jars() -> tuple[Jar, ...]:
    """Read the list that comes with this package."""
    text = (files("reservation_worker.embedded") / "kafka_jars.sha256").read_text("utf-8")
    return tuple(_parse_line(line) for line in text.splitlines())


def _parse_line(line: str) -> Jar:
    sha256, coordinates = line.split()
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, sha256)


def verify_jar(path: Path, jar: Jar) -> None:
    """Refuse a file that is not the listed jar.

    Raises:
        ChecksumMismatch: its content is another.
    """
    actual = _sha256(path)
    if actual != jar.sha256:
        raise ChecksumMismatch(
            f"{path.name} ({jar.coordinates}) has the SHA-256 {actual}, "
            f"but {jar.sha256} is listed in this package. It was not kept and not run. "
            "Look at what served it: a proxy, or a mirror."
        )


def _is_whole(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise DownloadFailed(
            f"The jars of Apache Kafka cannot be kept in {directory}: {error.strerror}. "
            "Name another place for caches in XDG_CACHE_HOME."
        ) from error


def _fetch(jars: Sequence[Jar], kept: Path, progress: Progress) -> None:
    progress(
        f"Apache Kafka {KAFKA_VERSION}: fetching {len(jars)} jars ({DOWNLOAD_SIZE} for all) "
        f"to {kept}; this is done once."
    )
    # On the same file system as their place, so that a jar appears there whole or not at all,
    # also when two processes fetch at the same time.
    with (
        tempfile.TemporaryDirectory(dir=kept, prefix="fetching-") as working,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        fetching = {pool.submit(_fetch_one, jar, Path(working)): jar for jar in jars}
        try:
            for number, done in enumerate(as_completed(fetching), 1):
                jar, path = fetching[done], done.result()
                verify_jar(path, jar)
                megabytes = path.stat().st_size / 1e6
                path.replace(kept / jar.file_name)
                progress(f"  {number} of {len(jars)}: {jar.file_name}, {megabytes:.1f} MB")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    progress(f"Apache Kafka {KAFKA_VERSION}: all jars are here, checksums verified.")


def _fetch_one(jar: Jar, working: Path) -> Path:
    # The package comes with an extra; the rest of the program must load without it.
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    # The user's mirrors come first; one that is named `central` replaces the public repository.
    repositories = dict(GlobalSettings.load().repositories)
    repositories.setdefault("central", MAVEN_CENTRAL_URL)
    problem: Exception | None = None
    for attempt in range(DOWNLOAD_ATTEMPTS_MAX):
        # A place of its own for each attempt: half a file may be left of the last one.
        context = MavenContext(
            repo_cache=working / str(attempt),
            remote_repos=repositories,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
        )
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            return Path(component.artifact().resolve())
        except (OSError, RuntimeError) as error:
            problem = error
    raise DownloadFailed(
        f"{jar.coordinates} could not be fetched: {problem}. "
        "Check the network; behind a proxy set HTTPS_PROXY, for a mirror list it in the "
        "[repositories] section of jgo's configuration file."
    ) from problem
