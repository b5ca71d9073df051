"""Authorities and certificates of a test, made by the `openssl` that every system has."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Final

from reservation_worker.embedded.port_claims import LOOPBACK

KEY_OPTIONS: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
THIS_HOST: Final = ("DNS:localhost", f"IP:{LOOPBACK}")
ELSEWHERE: Final = ("DNS:elsewhere.example",)
DAYS: Final = 30
NO_DAYS: Final = 0
"""Valid until the second in which it was made."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key, as files and as one file."""

    certificate: Path
    key: Path
    both: Path
    """The key first, then the certificate, as Kafka wants a PEM store."""


class Authority:
    """Issues certificates into a directory of its own."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self.certificate = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        _openssl(
            *("req", "-x509", "-nodes", "-subj", f"/CN={name}", "-days", str(DAYS)),
            *KEY_OPTIONS,
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def issue(
        self,
        name: str,
        subjects: tuple[str, ...] = THIS_HOST,
        *,
        days: int = DAYS,
        key_password: str | None = None,
    ) -> Certificate:
        """Issue a certificate, for a server or for a client."""
        request, key, issued, both, extension = (
            self._directory / f"{name}.{ending}" for ending in ("csr", "key", "pem", "both", "ext")
        )
        encryption = ("-nodes",) if key_password is None else ("-passout", f"pass:{key_password}")
        _openssl(
            *("req", "-subj", f"/CN={name}", *encryption, *KEY_OPTIONS),
            *("-keyout", str(key), "-out", str(request)),
        )
        extension.write_text(f"subjectAltName={','.join(subjects)}\n", "utf-8")
        _openssl(
            *("x509", "-req", "-days", str(days), "-in", str(request), "-out", str(issued)),
            *("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial"),
            *("-extfile", str(extension)),
        )
        both.write_text(key.read_text("utf-8") + issued.read_text("utf-8"), "utf-8")
        return Certificate(issued, key, both)


def _openssl(*arguments: str) -> None:
    program = which("openssl")
    assert program, "these tests make certificates with openssl: install it"
    ended = subprocess.run(
        (program, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
