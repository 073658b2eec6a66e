"""Bias metrics and model explanations for tabular data on Spark. Importing this package loads nothing heavy."""

from typing import TYPE_CHECKING, Any

from clarify_spark.version import __version__

if TYPE_CHECKING:
    from clarify_spark.api.dataframes import analyze, bias_report, explain
    from clarify_spark.api.results import Results

__all__ = ["Results", "__version__", "analyze", "bias_report", "explain"]

#: Names for notebooks and programs, and the modules that define them: loaded on demand, since executors
#: import this package too.
_PUBLIC = {
    "analyze": "api.dataframes",
    "bias_report": "api.dataframes",
    "explain": "api.dataframes",
    "Results": "api.results",
}


def __getattr__(name: str) -> Any:
    """The public name from its module."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    """What the package offers."""
    return sorted(__all__)
