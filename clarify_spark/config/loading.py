"""The text of analysis_config.json to a checked config, or to every problem in it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from clarify_spark.config.leniency import read_leniently
from clarify_spark.config.models import AnalysisConfig, config_model
from clarify_spark.config.parsing import parse_json
from clarify_spark.config.problems import problems_of
from clarify_spark.errors import ConfigError, Problem


@dataclass(frozen=True)
class Loaded:
    """A config that conforms to the schema, and what was read leniently to get there."""

    config: AnalysisConfig
    warnings: tuple[str, ...]


def load(text: str, *, strict: bool = False) -> Loaded:
    """The config, or a ConfigError with all problems at once; ``strict`` rejects what is otherwise read leniently."""
    document, json_problems = parse_json(text)
    changed, warnings = (document, ()) if strict else read_leniently(document)
    try:
        config = config_model().model_validate(changed)
    except ValidationError as error:
        found = problems_of(changed, error.errors(include_url=False, include_context=False))
        raise ConfigError(_one_per_path([*json_problems, *found])) from None
    if json_problems:
        raise ConfigError(json_problems)
    return Loaded(config, warnings)


def _one_per_path(problems: list[Problem]) -> list[Problem]:
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(problem.path, problem)
    return list(first.values())
