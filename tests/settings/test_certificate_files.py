"""Files of certificates and keys, looked at before anybody is connected to."""

from pathlib import Path
from typing import Any

import pytest

from reservation_worker.settings.certificate_files import broken_files
from reservation_worker.settings.loading import load_settings
from tests.certificates import Authority, Certificate

PASSWORD = "hush-hush"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def worker(authority: Authority) -> Certificate:
    """Issue the worker's certificate."""
    return authority.issue("worker")


def problems(section: str, **values: Any) -> list[str]:  # noqa: ANN401 - settings of all kinds
    """Return what is wrong with the files that one section names."""
    secured = (
        {"security_protocol": "SSL"} if section == "kafka" else {"url": "rediss://localhost:6380"}
    )
    return [*broken_files(load_settings(None, {section: {**secured, **values}}))]


@pytest.mark.parametrize("section", ["kafka", "redis"])
class TestFiles:
    """The files of Kafka and those of Redis alike."""

    def test_what_fits_is_not_complained_of(
        self, section: str, authority: Authority, worker: Certificate
    ) -> None:
        """The certificate, its key, and who issued it."""
        assert [] == problems(
            section,
            tls_ca_file=authority.certificate,
            tls_certificate_file=worker.certificate,
            tls_key_file=worker.key,
        )

    def test_a_file_that_is_not_there_is_named(self, section: str, worker: Certificate) -> None:
        """One sentence for each of them."""
        assert [
            f"{section}.tls_ca_file: /nowhere/ca cannot be read: No such file or directory",
            f"{section}.tls_key_file: /nowhere/key cannot be read: No such file or directory",
        ] == problems(
            section,
            tls_ca_file="/nowhere/ca",
            tls_certificate_file=worker.certificate,
            tls_key_file="/nowhere/key",
        )

    def test_a_key_of_another_certificate_is_named(
        self, section: str, authority: Authority, worker: Certificate
    ) -> None:
        """Two files of two rotations."""
        other = authority.issue("other")
        assert [
            (
                f"{section}.tls_key_file: the key in {other.key} does not belong to the "
                f"certificate in {worker.certificate} ({section}.tls_certificate_file)"
            )
        ] == problems(section, tls_certificate_file=worker.certificate, tls_key_file=other.key)

    def test_a_key_that_cannot_be_decrypted_is_named(
        self, section: str, authority: Authority
    ) -> None:
        """Without a password, and with a wrong one; the client would ask at the terminal."""
        locked = authority.issue(f"locked-{section}", key_password=PASSWORD)
        files = {"tls_certificate_file": locked.certificate, "tls_key_file": locked.key}
        assert [
            (
                f"{section}.tls_key_file: the key in {locked.key} is encrypted: "
                f"{section}.tls_key_password must be set"
            )
        ] == problems(section, **files)
        assert [
            f"{section}.tls_key_password: it does not decrypt the key in {locked.key}"
        ] == problems(section, **files, tls_key_password="wrong")
        assert [] == problems(section, **files, tls_key_password=PASSWORD)

    def test_a_file_of_another_kind_is_named(
        self, section: str, worker: Certificate, tmp_path: Path
    ) -> None:
        """The key where the certificate belongs, and a text where the authorities do."""
        text = tmp_path / "text"
        text.write_text("no certificate", "utf-8")
        assert [
            (
                f"{section}.tls_ca_file: {text} holds no certificate in PEM form: "
                "nobody would be trusted"
            ),
            f"{section}.tls_certificate_file: {worker.key} holds no certificate in PEM form",
        ] == problems(
            section,
            tls_ca_file=text,
            tls_certificate_file=worker.key,
            tls_key_file=worker.key,
        )


def test_a_token_and_a_keytab_that_are_not_there_are_named() -> None:
    """They are files like all others."""
    sasl = {"security_protocol": "SASL_SSL"}
    token = {"sasl_mechanism": "OAUTHBEARER", "oauth_token_file": "/nowhere/token"}
    keytab = {
        "sasl_mechanism": "GSSAPI",
        "kerberos_principal": "worker",
        "kerberos_keytab_file": "/nowhere/keytab",
    }
    assert [
        "kafka.oauth_token_file: /nowhere/token cannot be read: No such file or directory",
        "kafka.kerberos_keytab_file: /nowhere/keytab cannot be read: No such file or directory",
    ] == [*problems("kafka", **sasl, **token), *problems("kafka", **sasl, **keytab)]
