"""``clarify-spark config``: an analysis_config.json from options, one option per key in the document."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any

from clarify_spark.cli.config_options import (
    MethodOptions,
    Option,
    assignment,
    bounds,
    facet,
    merged,
    pair,
    template,
    texts,
    value,
    values,
)
from clarify_spark.cli.ending import print_out, warn
from clarify_spark.cli.options import Parser
from clarify_spark.config.analyses import ANALYSES, Analysis
from clarify_spark.config.formats import DATASET_FORMATS
from clarify_spark.config.parsing import parse_json
from clarify_spark.config.places import Place, path_of, short_json
from clarify_spark.errors import CommandError, ConfigError, Problem
from clarify_spark.udfs.dotted_names import resolved

DESCRIPTION = """Write an analysis_config.json. Every option sets one key; --set sets any other. The result is
checked by the rules of validate before anything is written."""

EPILOG = """values:
  12 and 0.5 are numbers, everything else is text; "12" in double quotes is text too
  (in a shell: '"12"'). COLUMN: a name, or a number for the 0-based index.
  LIST: comma-separated values, or a JSON list such as '["a,b", 3]'.
  Write --option=-1,1 for values that begin with a minus.

example:
  clarify-spark config --dataset-type csv --label approve --label-values 1 \\
    --facet race=Black,Hispanic --facet sex=Female --group-variable chist \\
    --pre-training-bias --post-training-bias --shap --num-clusters 8 \\
    --excluded-columns race,sex --model-uri model.skops --output analysis_config.json
"""

#: What the SDK writes where the schema needs a value; that of analyses is in their options.
DEFAULTS: tuple[tuple[Place, Any], ...] = ((("methods", "report", "name"), "report"),)


def _predictor(flag: str, key: str, help: str, metavar: str, read: Callable[[str], Any] = str) -> Option:
    return Option(flag, ("predictor", key), help, metavar, read)


def _type(text: str) -> str:
    """The dataset type that a word stands for; other texts as they are."""
    return next((kind for kind, row in DATASET_FORMATS.items() if text == row.word), text)


def _types() -> str:
    words = [row.word for row in DATASET_FORMATS.values() if row.word is not None]
    return f"{', '.join(words)}, or a MIME type"


DATA = (
    Option("--dataset-type", ("dataset_type",), _types, "TYPE", _type),
    Option("--dataset-uri", ("dataset_uri",), "the data set; analyze --data overrides it", "URI"),
    Option("--headers", ("headers",), "names of the columns, in their order", "LIST", texts),
    Option("--features", ("features",), "where features are in JSON and JSON Lines", "JMESPATH"),
    Option("--label", ("label",), "the ground truth: column, or JMESPath", "COLUMN", value),
    Option("--predicted-label", ("predicted_label",), "predictions in the data", "COLUMN", value),
    Option("--excluded-columns", ("excluded_columns",), "columns not passed to the model", "LIST", values),
    Option("--joinsource", ("joinsource_name_or_index",), "id column for joining data sets", "COLUMN", value),
    Option("--facet-dataset-uri", ("facet_dataset_uri",), "a second CSV with the facets", "URI"),
    Option("--facet-headers", ("facet_headers",), "names of its columns", "LIST", texts),
    Option(
        "--predicted-label-dataset-uri",
        ("predicted_label_dataset_uri",),
        "a second CSV with the predictions",
        "URI",
    ),
    Option("--predicted-label-headers", ("predicted_label_headers",), "names of its columns", "LIST", texts),
    Option("--max-malformed-records", ("max_malformed_records",), "how many may be skipped", "N", int),
)
BIAS = (
    Option("--label-values", ("label_values_or_threshold",), "positive values, or one threshold", "LIST", values),
    Option(
        "--facet",
        ("facet",),
        "a column, and the values of the disadvantaged group or a threshold (may be repeated)",
        "COLUMN[=LIST]",
        facet,
        repeated=list,
    ),
    Option("--group-variable", ("group_variable",), "subgroups of CDDL and CDDPL", "COLUMN", value),
    Option("--probability-threshold", ("probability_threshold",), "a score above it is the label 1", "P", float),
    Option("--label-type", ("label_type",), "categorical or continuous", "TYPE"),
    Option("--weight", ("weight",), "column of sampling weights", "COLUMN", value),
    Option("--confidence-level", ("confidence_level",), "of the intervals (default: 0.95)", "P", float),
    Option(
        "--bounds",
        ("bounds",),
        "accepted values of a metric (may be repeated)",
        "METRIC=MIN:MAX",
        bounds,
        repeated=merged,
    ),
    Option(
        "--facet-intersection",
        ("facet_intersections",),
        "facets whose combinations are compared (may be repeated)",
        "LIST",
        values,
        repeated=list,
    ),
    Option("--min-cell-size", ("min_cell_size",), "smaller combinations are not shown", "N", int),
)
REPORT = (
    Option("--report", ("methods", "report", "name"), "the report files (default: report)", "NAME", bare="report"),
    Option("--report-title", ("methods", "report", "title"), "title of the report"),
)
MODEL = (
    _predictor("--model-uri", "model_uri", "file, folder, archive, URL or python:module:function", "URI"),
    _predictor("--model-format", "model_format", "if the suffix does not determine it", "WORD"),
    _predictor("--entry-script", "entry_script", "script of a model folder", "PATH"),
    Option(
        "--http-header",
        ("predictor", "http_headers"),
        "a header and the environment variable that holds its value (may be repeated)",
        "NAME=VARIABLE",
        pair,
        repeated=merged,
    ),
    _predictor("--endpoint-name", "endpoint_name", "an existing SageMaker endpoint", "NAME"),
    _predictor("--model-name", "model_name", "a SageMaker model for a temporary endpoint", "NAME"),
    _predictor("--instance-type", "instance_type", "of the temporary endpoint", "TYPE"),
    _predictor("--instance-count", "initial_instance_count", "of the temporary endpoint", "N", int),
    _predictor("--accelerator-type", "accelerator_type", "of the temporary endpoint", "TYPE"),
    _predictor("--endpoint-name-prefix", "endpoint_name_prefix", "of the temporary endpoint", "TEXT"),
    _predictor("--target-model", "target_model", "of a multi-model endpoint", "NAME"),
    _predictor("--custom-attributes", "custom_attributes", "passed on to the endpoint", "TEXT"),
    _predictor("--content-type", "content_type", "format of requests", "TYPE", _type),
    _predictor("--accept-type", "accept_type", "format of responses", "TYPE", _type),
    _predictor("--content-template", "content_template", "a text with $features, $record(s)", "TEXT", template),
    _predictor("--record-template", "record_template", "one JSON record", "TEXT"),
    _predictor("--model-label", "label", "where a response has the label", "PLACE", value),
    _predictor("--model-probability", "probability", "where it has the score or scores", "PLACE", value),
    _predictor("--model-label-headers", "label_headers", "names of the classes", "LIST", values),
)
SET = Option(
    "--set",
    (),
    "any key, such as methods.shap.engine=shared (may be repeated)",
    "PATH=JSON",
    assignment,
    repeated=list,
)


def groups() -> dict[str, tuple[Option, ...]]:
    """The options by the title of their group; those of analyses come first in theirs."""
    measured, explained = (
        [option for row in _rows(explains) for option in _method_options(row).options] for explains in (False, True)
    )
    keys = ", ".join(method.key for row in _rows(explains=True) for method in row.methods)
    return {
        "data": DATA,
        "bias": (*measured, *BIAS),
        f"explanations and report (an option of {keys} or report asks for it)": (*explained, *REPORT),
        "model": MODEL,
    }


def _rows(explains: bool) -> list[Analysis]:
    return [row for row in ANALYSES.values() if row.options is not None and row.explains is explains]


def _method_options(row: Analysis) -> MethodOptions:
    found: MethodOptions = resolved(str(row.options))
    return found


def add_options(parser: Parser) -> None:
    """Declare every option of the command."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--from", dest="start", metavar="FILE", help="start from this config; options override it")
    parser.add_argument("--output", metavar="FILE", help="where to write it (default: standard output)")
    parser.add_argument("--strict", action="store_true", help="reject what Clarify's own schema rejects")
    for title, options in groups().items():
        group = parser.add_argument_group(title)
        for option in options:
            option.add_to(group)
    other = parser.add_argument_group("all other keys")
    SET.add_to(other)


def run(arguments: argparse.Namespace) -> int:
    """Write the config; returns the exit code."""
    from clarify_spark.spark.files.output import read_text

    start = None if arguments.start is None else read_text(arguments.start, None)
    text, notes = checked(document(arguments, start), strict=arguments.strict)
    for note in notes:
        warn(note)
    if arguments.output is None:
        print_out(text.removesuffix("\n"))
    else:
        write(text, arguments.output)
    return 0


# --- the document ---------------------------------------------------------------------------------------------------


def document(arguments: argparse.Namespace, start: str | None) -> dict[str, Any]:
    """The config that the options describe, merged into the text of the one to start from."""
    made = {} if start is None else _started(start)
    for place, found in _given(arguments):
        _put(made, place, found)
    made.setdefault("methods", {})
    of_analyses = (_method_options(row) for row in ANALYSES.values() if row.options is not None)
    for place, default in (*(one for options in of_analyses for one in options.defaults), *DEFAULTS):
        parent = _at(made, place[:-1])
        if isinstance(parent, dict):
            parent.setdefault(str(place[-1]), default)
    return made


def _given(arguments: argparse.Namespace) -> Iterator[tuple[Place, Any]]:
    for options in groups().values():
        for option in options:
            found = option.given(arguments)
            if found is not None:
                yield option.place, found
    for assigned in getattr(arguments, SET.name) or ():
        yield from assigned.items()


def _started(text: str) -> dict[str, Any]:
    found, problems = parse_json(text)
    if problems:
        raise ConfigError(problems)
    if not isinstance(found, dict):
        raise ConfigError([Problem("", f"found {short_json(found)}; allowed: an object")])
    return found


def _put(made: dict[str, Any], place: Place, found: Any) -> None:
    """Set a place, creating its parents as needed; an empty object keeps what is there."""
    parent = made
    for depth, step in enumerate(place[:-1], start=1):
        inner = parent.setdefault(str(step), {})
        if not isinstance(inner, dict):
            raise ConfigError([Problem(path_of(place[:depth]), f"found {short_json(inner)}; allowed: an object")])
        parent = inner
    key = str(place[-1])
    if found == {} and isinstance(parent.get(key), dict):
        return
    parent[key] = dict(found) if isinstance(found, dict) else found


def _at(made: Any, place: Place) -> Any:
    for step in place:
        made = made.get(step) if isinstance(made, dict) else None
    return made


def checked(made: dict[str, Any], *, strict: bool) -> tuple[str, tuple[str, ...]]:
    """The text of a config without problems, and notes on what it lacks or does not use."""
    from clarify_spark.config import check_runnable, later, load, unsupported

    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    loaded = load(text, strict=strict)
    found = check_runnable(loaded.config)
    problems = [problem for problem in found if not problem.incomplete]
    if problems:
        raise ConfigError(problems)
    unready = (*found, *unsupported(loaded.config))
    lacks = (f"cannot run yet: {problem}" for problem in unready)
    return text, (*loaded.warnings, *later(loaded.config), *lacks)


def write(text: str, target: str) -> None:
    """Write a complete local file, or leave what was there."""
    from clarify_spark.spark.files.output import Output

    if target.endswith("/"):
        raise CommandError(f"--output {target} is a folder; give a file name, such as {target}analysis_config.json.")
    folder, slash, name = target.rpartition("/")
    Output(folder + slash or ".", None).write(name, text)
