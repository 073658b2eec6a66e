from pathlib import Path

import pytest

from clarify_spark.config import check_runnable, json_schema, later, load, unsupported

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((REPOSITORY / "conf" / "examples").glob("*.json"))


def keys(node):
    if isinstance(node, dict):
        yield from node.get("properties", ())
        for child in node.values():
            yield from keys(child)


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_cleanly_and_can_run(path):
    loaded = load(path.read_text(encoding="utf-8"), strict=True)
    assert loaded.warnings == ()
    assert check_runnable(loaded.config) == ()
    assert unsupported(loaded.config) == ()
    assert all(note.startswith("methods.report") for note in later(loaded.config))


def test_every_example_is_listed_beside_it():
    text = (REPOSITORY / "conf" / "examples" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}`" in text for path in EXAMPLES)


def test_every_key_is_in_the_documentation():
    text = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert {key for key in keys(json_schema()) if f"`{key}`" not in text} == set()
