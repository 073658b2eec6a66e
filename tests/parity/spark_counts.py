"""The cases counted as a run does it: files read by Spark, profiles, counts and flip tests on executors."""

import json
from pathlib import Path

from golden_cases import Case, Counted, Engine

from clarify_spark.config import load
from clarify_spark.spark.counting.counts import count
from clarify_spark.spark.counting.flip_test import flip_test
from clarify_spark.spark.counting.profiles import profile
from clarify_spark.spark.data.datasets import Dataset, read


class SparkCounts:
    """An engine on one Spark session; ``folder`` takes the files of cases that a CSV cannot express."""

    def __init__(self, spark, folder: Path):
        self.spark, self.folder = spark, folder
        self.case, self.dataset, self.facts, self.found = None, None, {}, {}

    def engine(self) -> Engine:
        return Engine(lambda case: self.read(case).kinds, self.profiles, self.count)

    def read(self, case: Case) -> Dataset:
        """The case's data set, kept until another case is asked for."""
        if case is not self.case:
            if self.dataset is not None:
                self.dataset.release()
            config, path = self.config(case)
            self.case, self.dataset = case, read(self.spark, load(json.dumps(config)).config, str(path))
        return self.dataset

    def config(self, case: Case):
        """The case as a config and a file: its CSV, or Parquet where the case declares types for columns."""
        params = case.params
        path, kind, excluded = case.path, "text/csv", params["drop_columns"] or []
        if case.dtype:
            path, kind, excluded = self.folder / f"{case.name}.parquet", "application/x-parquet", []
            case.frame().to_parquet(path)
        config = {
            "dataset_type": kind,
            "label": params["label"],
            "excluded_columns": excluded,
            "methods": {"post_training_bias": {"methods": "all"}},
        }
        if params["predicted_label"] is not None:
            config["predicted_label"] = params["predicted_label"]
        return config, path

    def profiles(self, case, facts):
        self.found = profile(self.read(case), facts)
        return self.found

    def count(self, case, roles):
        dataset = self.read(case)
        counted = count(dataset, roles, self.found)
        return Counted(flip_test(dataset, roles, counted.facets, 0), counted.classes or ())
