"""What is said of a shard that is the state of another deployment, whoever meets it."""


def foreign_state(deployment: str) -> str:
    """Say whose a shard is that is not this deployment's, and what to do about it."""
    return (
        f"Redis has the state of another deployment there ({deployment}: its Kafka cluster and "
        "group). Nobody here touches it, and no input is lost: what concerns the shard waits. If "
        "both shall use this Redis, give one of them redis.key_prefix, or another database or "
        "server; if this deployment takes the other one's place for good: stop the other one, run "
        "reservation-worker rebuild --all --adopt, and start the workers of this one."
    )
