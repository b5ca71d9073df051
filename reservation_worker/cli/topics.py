"""``topics``: the topics that the worker needs, never created behind the user's back."""

from typing import TYPE_CHECKING

import typer

from reservation_worker.cli.options import AsJson, ConfigFile, DryRun, Yes

if TYPE_CHECKING:
    from reservation_worker.adapters.kafka.topics import TopicPlan
    from reservation_worker.cli.output import JsonValue


def commands() -> typer.Typer:
    """Return the group."""
    group = typer.Typer(help="The topics that the worker needs.", no_args_is_help=True)
    group.command("plan")(plan_topics)
    group.command("apply")(apply_topics)
    return group


def plan_topics(config_file: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show which topics are missing, and which are not as they must be; change nothing."""
    from reservation_worker.cli.dependencies import reaching_kafka
    from reservation_worker.cli.options import read_settings
    from reservation_worker.cli.output import tell
    from reservation_worker.composition import build_topic_admin, topic_layout

    settings = read_settings(config_file)
    with reaching_kafka(settings):
        plan = build_topic_admin(settings).plan(topic_layout(settings))
    _show(plan, as_json=as_json)
    _refuse_differences(plan)
    if plan.create:
        tell("Next: reservation-worker topics apply")


def apply_topics(
    config_file: ConfigFile = None,
    as_json: AsJson = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Create the topics that are missing; what exists is never changed."""
    from reservation_worker.cli.dependencies import reaching_kafka
    from reservation_worker.cli.options import ask, read_settings
    from reservation_worker.cli.output import tell
    from reservation_worker.composition import build_topic_admin, topic_layout

    settings = read_settings(config_file)
    admin = build_topic_admin(settings)
    with reaching_kafka(settings):
        plan = admin.plan(topic_layout(settings))
    _show(plan, as_json=as_json)
    if plan.create and not dry_run:
        ask(f"Create {len(plan.create)} topics?", yes=yes)
        with reaching_kafka(settings):
            created = admin.apply(plan)
        tell(f"Created {len(created)} topics.")
    _refuse_differences(plan)
    tell("Next: reservation-worker run")


def _show(plan: "TopicPlan", *, as_json: bool) -> None:
    from reservation_worker.cli.output import tell, write_json, write_table

    if as_json:
        create: list[JsonValue] = [
            {"name": topic.name, "partitions": topic.partitions, "config": dict(topic.config)}
            for topic in plan.create
        ]
        write_json({"create": create, "differences": plan.differences})
        return
    if not plan.create:
        tell("All topics exist.")
        return
    write_table(
        ("create", "partitions", "settings"),
        (
            (
                topic.name,
                topic.partitions,
                ", ".join(f"{name}={value}" for name, value in topic.config.items()),
            )
            for topic in plan.create
        ),
    )


def _refuse_differences(plan: "TopicPlan") -> None:
    from reservation_worker.cli.failures import CheckFailed

    if plan.differences:
        raise CheckFailed("Some topics are not as they must be:", plan.differences)
