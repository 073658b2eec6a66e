"""What a config shows of its run before Spark starts."""

from __future__ import annotations

from collections.abc import Callable

from clarify_spark.config import AnalysisConfig, Report, model_format
from clarify_spark.config.analyses import asked_for
from clarify_spark.config.rules.analysis import rules_of
from clarify_spark.config.rules.prediction import needs_model
from clarify_spark.spark.startup import Startup, import_all, local_bytes
from clarify_spark.udfs.model_formats import LIBRARIES

#: What every run imports sooner or later, and what a report is made with.
_DRIVER = ("pandas", "pyarrow.parquet", "threadpoolctl")
_REPORT = ("matplotlib.backends.backend_svg", "jinja2", "nbformat.v4", "typst")
#: What every Python worker imports.
_WORKER = ("pandas", "pyarrow")


def startup_of(config: AnalysisConfig, data: str | None, first: Callable[[], None] | None = None) -> Startup:
    """The startup of a run on the data at ``data``; ``first`` is done before libraries are imported."""
    rows = asked_for(config.methods).values()
    libraries = [*_DRIVER, *(library for row in rows for library in row.libraries)]
    libraries += _REPORT if config.methods.of(Report) is not None else ()

    def meanwhile() -> None:
        if first is not None:
            first()
        import_all(libraries)

    return Startup(local_bytes(data), _worker_libraries(config), meanwhile)


def _worker_libraries(config: AnalysisConfig) -> tuple[str, ...]:
    """What Python workers import; empty if the run needs none."""
    found = [
        library for row in asked_for(config.methods).values() for library in rules_of(row).worker_libraries(config)
    ]
    if needs_model(config) and config.predictor is not None:
        found += [*_WORKER, *LIBRARIES.get(model_format(config.predictor) or "", ())]
    return tuple(dict.fromkeys(found))
