"""The schema files in the repository are those of the models, and their examples hold."""

import json
from pathlib import Path

import pytest

from reservation_worker.contracts.inputs import BODY_OF, FactKind
from reservation_worker.contracts.outputs import parse_output
from reservation_worker.contracts.records import EVENT_TOPICS, OutputTopic
from reservation_worker.contracts.schemas import OUTPUT_EXAMPLES, check, export

COMMITTED = Path(__file__).parents[2] / "schemas"
EVENTS = [*(kind.value for kind in FactKind), *(topic.value for topic in EVENT_TOPICS)]


def test_committed_schemas_are_current() -> None:
    """Others build on these files; after a change: ``reservation-worker schemas export``."""
    expected: tuple[str, ...] = ()
    assert expected == check(COMMITTED)


def test_export_writes_one_file_for_each_event_and_check_accepts_it(tmp_path: Path) -> None:
    """What one verb writes the other must find in order, also when it is written twice."""
    expected = sorted(f"{name}.schema.json" for name in EVENTS)
    assert expected == sorted(path.name for path in export(tmp_path / "new"))
    export(tmp_path / "new")
    assert check(tmp_path / "new") == ()


def test_check_names_what_is_missing_outdated_or_strange(tmp_path: Path) -> None:
    """Each of them would mislead whoever reads the directory."""
    export(tmp_path)
    (tmp_path / "stock-changed.schema.json").unlink()
    (tmp_path / "order-completed.schema.json").write_text("{}", encoding="utf-8")
    (tmp_path / "order-shipped.schema.json").write_text("{}", encoding="utf-8")
    expected = (
        "order-completed.schema.json",
        "order-shipped.schema.json",
        "stock-changed.schema.json",
    )
    assert expected == check(tmp_path)


@pytest.mark.parametrize("name", EVENTS)
def test_schema_introduces_itself(name: str) -> None:
    """A file that is passed on must say what it is, with an example to copy."""
    schema = json.loads((COMMITTED / f"{name}.schema.json").read_text("utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert name == schema["title"]
    assert schema["description"].endswith(".")
    assert len(schema["examples"]) == 1
    assert set(schema["required"]) <= set(schema["examples"][0])
    assert set(schema["examples"][0]) <= set(schema["properties"])


@pytest.mark.parametrize("kind", FactKind)
def test_examples_of_inputs_are_accepted(kind: FactKind) -> None:
    """An example that is refused would teach a mistake."""
    schema = json.loads((COMMITTED / f"{kind.value}.schema.json").read_text("utf-8"))
    BODY_OF[kind].model_validate(schema["examples"][0])


@pytest.mark.parametrize("topic", EVENT_TOPICS)
def test_examples_of_outputs_are_accepted(topic: OutputTopic) -> None:
    """As above, by the models of the readers."""
    parse_output(topic, json.dumps(OUTPUT_EXAMPLES[topic]).encode())
