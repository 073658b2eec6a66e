"""Classic sessions and Spark Connect share one code path: what only a classic session has is in a few named places."""

import ast
from pathlib import Path

import pytest

import clarify_spark

SOURCES = Path(clarify_spark.__file__).parent
#: What a Connect session has not. ``functions.broadcast`` is a hint for a join, which it has.
JVM = {"rdd", "sparkContext", "_sc", "_jvm", "_jsc", "_jdf", "_jsparkSession", "accumulator", "SparkContext"}
#: The classic half of what both kinds of session can do, each chosen by ``is_connect``.
CLASSIC = {
    "spark/delivery/code.py:_offer",
    "spark/files/hadoop_files.py",
    "spark/cancellation.py:Jobs",
    "spark/delivery/models.py:_copy_by_hadoop",
    "spark/delivery/models.py:_offer",
    "spark/object_stores.py",
    "spark/progress.py:_ClassicTasks",
}


def used(tree):
    """(place, name) for what of the JVM a module uses; the place is its top-level function or class."""
    for node in tree.body:
        place = getattr(node, "name", "")
        for inner in ast.walk(node):
            name = getattr(inner, "attr", None) or getattr(inner, "id", None)
            if isinstance(inner, ast.alias):
                name = inner.name
            if isinstance(name, str) and (name in JVM or _is_broadcast(inner)):
                yield place, name


def _is_broadcast(node):
    """Whether this is a broadcast variable (``context.broadcast``) and not a hint of ``functions as F``."""
    hint = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in {"F", "sf"}
    return isinstance(node, ast.Attribute) and node.attr == "broadcast" and not hint


def beyond(source, name):
    """What a source uses outside of the named places."""
    found = {(f"{name}:{place}", what) for place, what in used(ast.parse(source))}
    return sorted(f"{place} {what}" for place, what in found if place not in CLASSIC and name not in CLASSIC)


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES)))
def test_a_module_needs_no_jvm_but_in_the_named_places(path):
    assert beyond(path.read_text(encoding="utf-8"), path.relative_to(SOURCES).as_posix()) == []


@pytest.mark.parametrize(
    "line",
    [
        "spark.sparkContext.addFile('x')",
        "frame.rdd.map(f)",
        "session._jvm.java",
        "context.broadcast(1)",
        "context.accumulator(0)",
        "from pyspark import SparkContext",
    ],
)
def test_what_is_looked_for_is_found(line):
    assert len(beyond(f"def f():\n    {line}", "spark/counting/counts.py")) == 1
    assert beyond("def f():\n    return rows.join(sf.broadcast(few))", "spark/counting/counts.py") == []


def test_every_named_place_is_there():
    assert {place.partition(":")[0] for place in CLASSIC if not (SOURCES / place.partition(":")[0]).is_file()} == set()
