"""A Kafka that asks who somebody is, and lets everybody do only what was granted.

Beside the plain listener, whose clients may do everything (they are the test's own), it has one for
users with passwords (SCRAM) or tokens (OAUTHBEARER, unsecured ones), and three with TLS, of which
two have a certificate that nobody should accept.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from reservation_worker.embedded.kafka import EmbeddedKafka, KafkaConfig
from reservation_worker.embedded.kafka_properties import Listener
from reservation_worker.embedded.port_claims import LOOPBACK, claim_port
from tests.certificates import ELSEWHERE, NO_DAYS, Authority, Certificate

USERS: Final = "USERS"
TLS: Final = "TLS"
EXPIRED: Final = "EXPIRED"
WRONG_HOST: Final = "WRONGHOST"
PROTOCOLS: Final = {USERS: "SASL_PLAINTEXT", TLS: "SSL", EXPIRED: "SSL", WRONG_HOST: "SSL"}
SECURE_MODULES: Final = "org.apache.kafka.common.security"
REAUTHENTICATION_MS: Final = 3_000
"""So often everybody must prove anew who they are: whose password was changed is out by then."""
SCRAM_ITERATIONS: Final = 4_096
TIMEOUT_SECONDS: Final = 20


class SecuredKafka:
    """What a test asks of it."""

    def __init__(
        self, kafka: EmbeddedKafka, listeners: Sequence[Listener], authority: Authority
    ) -> None:
        self._ports = {listener.name: listener.port for listener in listeners}
        self.kafka = kafka
        self.authority = authority
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        """A client that may do everything."""

    @property
    def bootstrap_servers(self) -> str:
        """The plain listener, where everything is allowed."""
        return self.kafka.bootstrap_servers

    def address(self, listener: str) -> str:
        """Return where one of the other listeners is."""
        return f"{LOOPBACK}:{self._ports[listener]}"

    def set_password(self, user: str, password: str) -> None:
        """Let a user in with this password, and with no other one from now on."""
        answers = self.admin.alter_user_scram_credentials(
            [
                UserScramCredentialUpsertion(
                    user,
                    ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, SCRAM_ITERATIONS),
                    password.encode(),
                )
            ]
        )
        for answer in answers.values():
            answer.result(TIMEOUT_SECONDS)

    def grant(
        self,
        user: str,
        operations: Sequence[AclOperation],
        kind: ResourceType,
        name: str,
        *,
        prefixed: bool = False,
    ) -> None:
        """Let a user do something; nothing is allowed that was not granted."""
        bindings = [
            _binding(user, operation, kind, name, prefixed=prefixed) for operation in operations
        ]
        for answer in self.admin.create_acls(bindings).values():
            answer.result(TIMEOUT_SECONDS)

    def revoke(
        self,
        user: str,
        operation: AclOperation,
        kind: ResourceType,
        name: str,
        *,
        prefixed: bool = False,
    ) -> None:
        """Take one right away again."""
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        found = AclBindingFilter(
            kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW
        )
        for answer in self.admin.delete_acls([found]).values():
            answer.result(TIMEOUT_SECONDS)


def _binding(
    user: str, operation: AclOperation, kind: ResourceType, name: str, *, prefixed: bool
) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


@contextmanager
def running_secured_kafka(directory: Path) -> Iterator[SecuredKafka]:
    """Start one, and stop it at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority(directory)
    certificates = {
        TLS: authority.issue("broker"),
        EXPIRED: authority.issue("expired-broker", days=NO_DAYS),
        WRONG_HOST: authority.issue("other-broker", ELSEWHERE),
    }
    with ExitStack() as stack:
        listeners = []
        for name, protocol in PROTOCOLS.items():
            claim = claim_port()
            stack.callback(claim.release)
            listeners.append(Listener(name, claim.port, protocol))
        config = KafkaConfig(
            settings=_settings(authority, certificates), further_listeners=listeners
        )
        kafka = stack.enter_context(EmbeddedKafka(directory / "kafka", config=config))
        yield SecuredKafka(kafka, listeners, authority)


def _settings(authority: Authority, certificates: Mapping[str, Certificate]) -> dict[str, str]:
    users = f"listener.name.{USERS.lower()}"
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The test's own clients, and the broker itself.
        "super.users": "User:ANONYMOUS",
        f"{users}.sasl.enabled.mechanisms": "SCRAM-SHA-256,OAUTHBEARER",
        f"{users}.scram-sha-256.sasl.jaas.config": (
            f"{SECURE_MODULES}.scram.ScramLoginModule required;"
        ),
        f"{users}.oauthbearer.sasl.jaas.config": (
            f"{SECURE_MODULES}.oauthbearer.OAuthBearerLoginModule required;"
        ),
        f"{users}.scram-sha-256.connections.max.reauth.ms": str(REAUTHENTICATION_MS),
        f"{users}.oauthbearer.connections.max.reauth.ms": str(REAUTHENTICATION_MS),
    }
    for name, certificate in certificates.items():
        listener = f"listener.name.{name.lower()}"
        settings |= {
            f"{listener}.ssl.keystore.type": "PEM",
            f"{listener}.ssl.keystore.location": str(certificate.both),
            f"{listener}.ssl.truststore.type": "PEM",
            f"{listener}.ssl.truststore.location": str(authority.certificate),
            f"{listener}.ssl.client.auth": "requested",
        }
    return settings
