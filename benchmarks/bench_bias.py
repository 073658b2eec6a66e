"""How long counting takes, as ratios measured side by side: our profile and counts, a bare Spark scan of the same
columns, DuckDB and pandas with one boolean mask per number (as smclarify counts), all on one generated Parquet file.

    python benchmarks/bench_bias.py --rows 10000000 50000000
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

from clarify_spark.bias.metrics import measure
from clarify_spark.bias.roles import RoleNames, Roles, needed_facts, resolve
from clarify_spark.bias.sections import CountTable
from clarify_spark.config import AnalysisConfig, load
from clarify_spark.config.metrics import METRICS
from clarify_spark.spark.counting.counts import BiasCounts, count
from clarify_spark.spark.counting.profiles import profile
from clarify_spark.spark.data.datasets import Dataset, read
from clarify_spark.spark.session import session

HERE = Path(__file__).resolve().parent
COLUMNS = {
    "approved": "(random() < 0.4)::INT::BIGINT",
    "predicted": "(random() < 0.35)::INT::BIGINT",
    "sex": "CASE WHEN random() < 0.3 THEN 'Female' ELSE 'Male' END",
    "race": "'race ' || floor(random() * random() * 5)::INT",
    "age": "'band ' || floor(random() * 8)::INT",
    "occupation": "'occupation ' || floor(random() * 16)::INT",
    "state": "'state ' || floor(random() * 50)::INT",
    "district": "floor(random() * 6)::BIGINT",
    "region": "'region ' || floor(random() * 70)::INT",
    "unused": "random()",
}


@dataclass(frozen=True)
class Case:
    """What is counted: facets with their configured values (None: every value), and the group variable."""

    title: str
    facets: Mapping[str, tuple[str, ...] | None]
    group: str

    @property
    def columns(self) -> list[str]:
        """Every column the case reads."""
        return ["approved", "predicted", *self.facets, self.group]

    @property
    def names(self) -> RoleNames:
        """The roles of those columns."""
        return RoleNames("approved", tuple(self.facets), self.group, "predicted")


CASES = (
    Case(
        "3 facets, values configured, 6 strata",
        {"sex": ("Female",), "race": ("race 1",), "age": ("band 1", "band 2")},
        "district",
    ),
    Case(
        "5 facets, values configured, 70 strata",
        {
            "sex": ("Female",),
            "race": ("race 1",),
            "age": ("band 1",),
            "occupation": ("occupation 3",),
            "state": ("state 7",),
        },
        "region",
    ),
    Case("3 facets, no values, 6 strata", {"sex": None, "race": None, "age": None}, "district"),
    Case(
        "5 facets (2, 5, 8, 16, 50 values), no values, 70 strata",
        {"sex": None, "race": None, "age": None, "occupation": None, "state": None},
        "region",
    ),
)


def main() -> None:
    """Print one table per number of rows."""
    options = _options()
    with session(options.master) as started:
        for rows in options.rows:
            path = generated(options.data, rows)
            print(
                f"\n{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB Parquet, {options.master}, "
                f"median of {options.repeat} (seconds, and times the bare scan)\n"
            )
            for case in [CASES[number] for number in options.case]:
                report(case, contenders(started.spark, path, case), options.repeat)
                if rows <= options.pandas_rows and None not in case.facets.values():
                    start = time.perf_counter()
                    by_pandas(path, case)
                    print(f"pandas, a mask per number, once: {time.perf_counter() - start:.1f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ratios of our counting time to a bare scan, DuckDB and pandas.")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000, 50_000_000])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", type=int, nargs="+", default=list(range(len(CASES))), help="which cases, from 0")
    parser.add_argument("--pandas-rows", type=int, default=10_000_000, help="rows up to which pandas is timed (once)")
    parser.add_argument("--master", default="local[*]")
    parser.add_argument("--data", type=Path, default=HERE / "data")
    return parser.parse_args()


def generated(folder: Path, rows: int) -> Path:
    """The file with that many rows, generated once."""
    path = folder / f"bias-{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        columns = ", ".join(f"{text} AS {name}" for name, text in COLUMNS.items())
        with duckdb.connect() as connection:
            connection.execute("SELECT setseed(0.5)")
            connection.execute(f"COPY (SELECT {columns} FROM range({rows})) TO '{path}.part' (FORMAT PARQUET)")
        path.with_name(path.name + ".part").rename(path)
    return path


def contenders(spark: SparkSession, path: Path, case: Case) -> dict[str, Callable[[], object]]:
    """What is timed, by name; the bare scan first."""
    config, dataset = _opened(spark, path, case)
    facts = {**needed_facts(config, dataset.kinds, case.names), case.group: frozenset[str]()}
    profiles = profile(dataset, facts)
    roles = resolve(config, profiles, case.names)
    counted = count(dataset, roles, profiles)
    _check(roles, counted, path)

    def ours() -> BiasCounts:
        found = profile(dataset, facts)
        return count(dataset, resolve(config, found, case.names), found)

    ids = [dataset.column(name).id for name in case.columns]
    return {
        "bare Spark scan": lambda: dataset.frame.select(*ids).write.format("noop").mode("overwrite").save(),
        "profile + count": ours,
        "count": lambda: count(dataset, roles, profiles),
        "1 metric from the counts": lambda: metrics(counted.facets, 1),
        "all metrics from the counts": lambda: metrics(counted.facets, 100),
        "DuckDB, the same counts": lambda: by_duckdb(path, case),
    }


def _opened(spark: SparkSession, path: Path, case: Case) -> tuple[AnalysisConfig, Dataset]:
    facets = [
        {"name_or_index": name, **({} if values is None else {"value_or_threshold": list(values)})}
        for name, values in case.facets.items()
    ]
    document = {
        "dataset_type": "application/x-parquet",
        "dataset_uri": str(path),
        "label": "approved",
        "predicted_label": "predicted",
        "label_values_or_threshold": [1],
        "facet": facets,
        "group_variable": case.group,
        "methods": {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": "all"}},
    }
    config = load(json.dumps(document)).config
    return config, read(spark, config, str(path))


def metrics(counts: CountTable, most: int) -> int:
    """Up to ``most`` metrics of every entry (the flip test needs more than counts)."""
    table = [metric for metric in METRICS.values() if not metric.needs_flips][:most]
    return sum(len(measure(table, entry)) for facet in counts for entry in facet)


def by_duckdb(path: Path, case: Case) -> list[tuple[object, ...]]:
    """The same numbers from DuckDB: filters for configured values, grouping sets otherwise."""
    keys = f"approved, predicted, {case.group}"
    configured = {name: values for name, values in case.facets.items() if values is not None}
    if configured:
        counted = ", ".join(
            f"count(*) FILTER ({name} IN ({', '.join(repr(value) for value in values)}))"
            for name, values in configured.items()
        )
        query = f"SELECT {keys}, count(*), {counted} FROM '{path}' GROUP BY {keys}"
    else:
        sets = ", ".join(f"({keys}, {name})" for name in case.facets)
        query = f"SELECT {keys}, {', '.join(case.facets)}, count(*) FROM '{path}' GROUP BY GROUPING SETS ({sets})"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def by_pandas(path: Path, case: Case) -> int:
    """Boolean masks over the whole frame, recomputed for every metric of every facet."""
    frame = pd.read_parquet(path, columns=case.columns)
    label, predicted = frame["approved"] == 1, frame["predicted"] == 1
    total = 0
    for name, values in case.facets.items():
        facet = frame[name].isin(list(values or ()))
        for _ in METRICS:
            total += sum(
                len(label[side & observed & outcome])
                for side in (facet, ~facet)
                for observed in (label, ~label)
                for outcome in (predicted, ~predicted)
            )
        for stratum in frame[case.group].unique():
            rows = frame[case.group] == stratum
            total += sum(int((rows & facet & outcome).sum()) for outcome in (label, ~label, predicted, ~predicted))
    return total


def _check(roles: Roles, counts: BiasCounts, path: Path) -> None:
    """Our counts of each facet's first entry must equal DuckDB's before their times are compared."""
    with duckdb.connect() as connection:
        for role, of_facet in zip(roles.facets, counts.facets, strict=True):
            values = ", ".join(repr(value) for value in role.entries[0].values or ())
            cells = np.zeros((2, 2, 2), np.int64)
            query = f"SELECT {role.name} IN ({values}), approved, predicted, count(*) FROM '{path}' GROUP BY ALL"
            for facet, label, predicted, rows in connection.execute(query).fetchall():
                cells[int(facet), label, predicted] = rows
            np.testing.assert_array_equal(of_facet[0].cells, cells)


def report(case: Case, timed: Mapping[str, Callable[[], object]], repeat: int) -> None:
    """Run all in turn, a first round to warm up, and print the medians."""
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(repeat + 1):
        for name, work in timed.items():
            start = time.perf_counter()
            work()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    scan = statistics.median(seconds["bare Spark scan"])
    print(f"| {case.title} | s | x scan |\n|---|---|---|")
    for name, runs in seconds.items():
        median = statistics.median(runs)
        print(f"| {name} | {median:.2f} | {median / scan:.2f} |", flush=True)
    print()


if __name__ == "__main__":
    main()
