"""Print a new `kafka_jars.sha256`: `python -m reservation_worker.embedded.list_kafka_jars`.

For whoever moves this package to another Kafka: resolves what a broker needs, fetches it, and
lists it with the checksums. Look at the difference before you keep it.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from reservation_worker.embedded import ExtraNotInstalled
from reservation_worker.embedded.kafka_jars import DOWNLOAD_TIMEOUT_SECONDS, KAFKA_VERSION

ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    # Brings the broker's log to its output; the version is that of the slf4j that Kafka uses.
    "org.slf4j:slf4j-simple:1.7.36",
)


def list_kafka_jars(working: Path) -> list[str]:
    """Resolve and fetch the jars, and give the lines of the list.

    Raises:
        ExtraNotInstalled: the package that resolves them is missing.
    """
    try:
        # The package comes with an extra; the rest of the program must load without it.
        from jgo.maven import MavenContext  # noqa: PLC0415
        from jgo.parse import Coordinate  # noqa: PLC0415
    except ImportError as error:
        raise ExtraNotInstalled("jgo") from error
    context = MavenContext(repo_cache=working, timeout=DOWNLOAD_TIMEOUT_SECONDS)
    roots = [context.create_dependency(Coordinate.parse(root)) for root in ROOTS]
    resolved_roots, resolved = context.resolver.resolve(roots)
    needed = [one for one in resolved if one.scope in {"compile", "runtime"}]
    lines = []
    for dependency in [*resolved_roots, *needed]:
        jar = dependency.artifact
        digest = hashlib.sha256(jar.resolve().read_bytes()).hexdigest()
        lines.append((f"{jar.groupId}:{jar.artifactId}:{jar.version}", digest))
    return [f"{digest}  {coordinates}" for coordinates, digest in sorted(lines)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        sys.stdout.write("\n".join([*list_kafka_jars(Path(directory)), ""]))
