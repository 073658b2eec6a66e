"""What is run on both sides: cases, each a few commands that leave files and texts in a folder of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import inputs
from inputs import CHECKOUT, FAILING_PORT, FEATURES, INPUTS, PORT, WORK

EXAMPLES = Path(__file__).resolve().parents[2] / "conf" / "examples"
TRUST = ("--trust-type", "numpy.dtype")
Config = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One command.

    ``program``: run as a process of its own, as ``python *program *argv``, not in the runner's. ``killed_at``: with
    SIGKILL as soon as a file matches that glob in the case's folder; what it printed by then is not compared.
    """

    argv: tuple[str, ...]
    program: tuple[str, ...] = ()
    killed_at: str = ""


@dataclass(frozen=True)
class Case:
    """Steps, and the files that they find in the case's folder."""

    name: str
    steps: tuple[Step, ...]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it runs."""
        return WORK / self.name

    @property
    def definition(self) -> str:
        """All of it as text: results of another definition cannot be compared."""
        steps = [{"program": step.program, "argv": step.argv, "killed_at": step.killed_at} for step in self.steps]
        return json.dumps({"inputs": _hash_of_inputs(), "steps": steps, "files": self.files}, indent=1)


def _hash_of_inputs() -> str:
    return hashlib.sha256(Path(inputs.__file__).read_bytes()).hexdigest()


def cases() -> list[Case]:
    """All of them."""
    return [*_runs(), *_examples(), *_dry_runs(), *_errors(), *_commands(), *_processes()]


# Configs

MODEL = {"model_uri": str(INPUTS / "model.skops")}
HTTP = {
    "model_uri": f"http://127.0.0.1:{PORT}/invocations",
    "content_type": "text/csv",
    "accept_type": "text/csv",
    "probability": 0,
}
FAILING = {**HTTP, "model_uri": f"http://127.0.0.1:{FAILING_PORT}/invocations"}
ENDPOINT = {
    "endpoint_name": "loans",
    "content_type": "application/jsonlines",
    "accept_type": "application/jsonlines",
    "content_template": '{"features": $features}',
    "probability": "score",
}
NOT_FEATURES = ["id", "race", "sex", "predicted", "weight"]
PRE: Config = {"pre_training_bias": {"methods": "all"}}
POST: Config = {"post_training_bias": {"methods": "all"}}
REPORT: Config = {"report": {"name": "report", "title": "Mortgage approvals"}}
BASELINE = [[33.0, 0.77, 3.2, 1, 0, 70.0, 130.0, 0], [31.5, 0.6, 3.9, 1, 0, 90.0, 150.0, 1]]
GIVEN: Config = {"baseline": BASELINE, "seed": 1, "save_local_shap_values": True}
#: So many records for a row that blocks have few rows, and a run several waves of them.
COSTLY: Config = {**GIVEN, "baseline": [[20.0 + place, *BASELINE[0][1:]] for place in range(20)], "engine": "shared"}
SEGMENTS = [{"name_or_index": "appinc", "segments": [["[0, 50]"], ["(50, 100]"]]}]
BOUNDS = {"DPPL": {"min": -0.1, "max": 0.1}, "DI": {"min": 0.8}, "CDDL": {"max": 0.01}}


def loans(methods: Config, **more: Any) -> Config:
    """A config for loans.csv; None removes a key."""
    config = {
        "dataset_type": "text/csv",
        "label": "approve",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "race", "value_or_threshold": ["Black"]}, {"name_or_index": "sex"}],
        "group_variable": "chist",
        "excluded_columns": NOT_FEATURES,
        "methods": methods,
        "predictor": MODEL,
        **more,
    }
    return {key: value for key, value in config.items() if value is not None}


def json_loans(dataset_type: str, **more: Any) -> Config:
    """A config for loans.jsonl and loans.json."""
    return loans(
        {**POST, "shap": {"num_clusters": 3, "num_samples": 60, "seed": 1}},
        dataset_type=dataset_type,
        headers=["race", *FEATURES, "approve"],
        facet=[{"name_or_index": "race", "value_or_threshold": ["Black"]}],
        excluded_columns=["race"],
        **more,
    )


def analysis(name: str, config: Config, *options: str, data: str = "loans.csv", before: tuple[Step, ...] = ()) -> Case:
    """A case of one ``analyze``, after what comes before it."""
    return Case(name, (*before, analyze(name, *options, data=data)), {"config.json": written(config)})


def analyze(name: str, *options: str, data: str = "loans.csv", config: str = "config.json", **how: Any) -> Step:
    """The command."""
    folder = WORK / name
    places = ("--config", f"{folder / config}", "--data", f"{INPUTS / data}", "--output", f"{folder / 'output'}")
    return Step(("analyze", *places, *TRUST, *options), **how)


def written(config: Config) -> str:
    """A config as the text of a file."""
    return json.dumps(config, indent=2) + "\n"


# Runs


def _runs() -> Iterator[Case]:
    yield from _bias_runs()
    yield from _explanations()
    yield from _services()
    yield from _forms()


def _bias_runs() -> Iterator[Case]:
    predicted: Config = {"predictor": None, "predicted_label": "predicted"}
    crossed: Config = {"facet_intersections": [["race", "sex"]], "min_cell_size": 20, "weight": "weight"}
    everything = loans({**PRE, **POST, **REPORT}, segment_config=SEGMENTS, bounds=BOUNDS, **crossed)
    yield analysis("bias-all", everything, "--fail-on", "outside", "--fail-on", "not-enough-data")
    yield analysis("bias-segments", loans({**PRE, **POST}, segment_config=SEGMENTS, **predicted), "--seed", "5")
    yield analysis("bias-intersections", loans({**PRE, **POST}, facet_intersections=[["race", "sex"]], **predicted))
    yield analysis("bias-weight", loans({**PRE, **POST}, weight="weight", confidence_level=0.9, **predicted))
    threshold: Config = {"label": "loanamt", "label_values_or_threshold": [150], "group_variable": None}
    continuous = [{"name_or_index": "appinc", "value_or_threshold": [60.0]}]
    yield analysis("bias-continuous", loans(PRE, facet=continuous, predictor=None, **threshold))
    name = "bias-bounds-from"
    former = ("--bounds-from", f"{WORK / name / 'output' / 'analysis.json'}", "--fail-on", "outside")
    yield analysis(name, loans({**PRE, **POST}, **predicted), *former, before=(analyze(name),))
    beside: Config = {"facet_dataset_uri": f"{INPUTS / 'facets.csv'}", "facet_headers": ["id", "race", "sex"]}
    joined = loans({**PRE, **POST}, joinsource_name_or_index="id", excluded_columns=["id"], **beside, **predicted)
    yield analysis("bias-joined-facets", joined, data="without_facets.csv")


def _explanations() -> Iterator[Case]:
    clusters = {"num_clusters": 4, "seed": 1, "save_local_shap_values": True}
    shared = {"num_clusters": 2, "num_samples": 100, "engine": "shared", "agg_method": "mean_sq"}
    logit = {**GIVEN, "use_logit": True, "features_to_explain": ["obrat", "loanprc", "appinc"]}
    yield analysis("shap-pairwise", loans({"shap": {**clusters, "engine": "pairwise"}}), "--single-file")
    yield analysis("shap-shared", loans({**PRE, "shap": shared}), "--seed", "3")
    yield analysis("shap-logit", loans({"shap": {**logit, "num_samples": 200}}))
    yield analysis("shap-given-baseline", loans({**POST, "shap": {**GIVEN, "agg_method": "median"}}))
    curves = {"features": ["obrat", "chist", "appinc"], "grid_resolution": 10}
    yield analysis("pdp", loans({"pdp": curves}), "--pdp-rows", "300")
    both = {"shap": {**clusters, "num_samples": 80}, "pdp": {"grid_resolution": 8, "top_k_features": 3}}
    yield analysis("shap-pdp-report", loans({**both, **REPORT}))


def _services() -> Iterator[Case]:
    shap = {"num_clusters": 2, "num_samples": 40, "seed": 1}
    curves = {"features": ["obrat", "chist"], "grid_resolution": 5}
    options = ("--max-batch-records", "500", "--requests-in-flight", "3")
    whole = loans({**PRE, **POST, "shap": shap, "pdp": curves, **REPORT}, predictor=HTTP)
    yield analysis("http-service", whole, *options)
    yield analysis("endpoint", loans({**POST, "shap": shap}, predictor=ENDPOINT), "--max-payload-bytes", "60000")
    yield analysis("endpoint-unknown", loans(POST, predictor={**ENDPOINT, "endpoint_name": "nobody"}))
    name = "resume-service"
    files = {
        "failing.json": written(loans({"shap": COSTLY}, predictor=FAILING)),
        "config.json": written(loans({"shap": COSTLY}, predictor=HTTP)),
    }
    first = analyze(name, data="bad.csv", config="failing.json")
    yield Case(name, (first, analyze(name, "--force-resume", data="bad.csv")), files)


def _forms() -> Iterator[Case]:
    small = {"num_clusters": 3, "num_samples": 60, "seed": 1, "save_local_shap_values": True}
    parquet = loans({**POST, "shap": small}, dataset_type="application/x-parquet")
    yield analysis("parquet", parquet, data="parquet")
    yield analysis("json-lines", json_loans("application/jsonlines", features="features") | {"label": "label"},
                   data="loans.jsonl")  # fmt: skip
    document = json_loans("application/json", features="rows[*].features") | {"label": "rows[*].label"}
    yield analysis("json-document", document, data="loans.json")
    yield analysis("malformed-tolerated", loans(PRE, max_malformed_records=10, predictor=None), data="malformed.csv")
    yield analysis("malformed", loans(PRE, predictor=None), data="malformed.csv")
    pickle = loans(POST, predictor={"model_uri": f"{INPUTS / 'model.joblib'}"})
    yield analysis("pickle", pickle, "--allow-pickle", before=(analyze("pickle"),))


def _examples() -> Iterator[Case]:
    """Every config of conf/examples, with its data and models here."""
    for path in sorted(EXAMPLES.glob("*.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        uri = config.get("predictor", {}).get("model_uri", "")
        if "predicted_label_dataset_uri" in config:
            config["predicted_label_dataset_uri"] = f"{INPUTS / 'scores.csv'}"
        if uri.startswith("https:"):
            config["predictor"]["model_uri"] = HTTP["model_uri"]
        elif uri.startswith("s3a:"):
            config["predictor"]["model_uri"] = f"{INPUTS / Path(uri).name}"
        yield analysis(f"example-{path.stem}", config, data=path.stem)


def _dry_runs() -> Iterator[Case]:
    whole = {**PRE, **POST, "shap": {"num_clusters": 4}, "pdp": {"top_k_features": 3, "grid_resolution": 8}}
    yield analysis("dry-run", loans({**whole, **REPORT}, segment_config=SEGMENTS, weight="weight"), "--dry-run")
    yield analysis("dry-run-service", loans(whole, predictor=HTTP), "--dry-run", "--pdp-rows", "100")
    yield analysis("dry-run-data-only", loans(PRE, predictor=None), "--dry-run")
    yield analysis("dry-run-parquet", loans(POST, dataset_type="application/x-parquet"), "--dry-run", data="parquet")
    shadow = {"model_name": "loans-2026-11", "instance_type": "ml.m5.large", "initial_instance_count": 1}
    yield analysis("dry-run-temporary-endpoint", loans(POST, predictor={**shadow, "probability": 0}), "--dry-run")
    yield analysis("max-model-calls", loans(whole), "--max-model-calls", "1000")


# Endings


def _errors() -> Iterator[Case]:
    shap: Config = {"shap": {**GIVEN, "engine": "pairwise", "use_logit": True}}
    race: Config = {"name_or_index": "race"}
    wrong: dict[str, Config] = {
        "unknown-metric": loans({"pre_training_bias": {"methods": ["CI", "XYZ"]}}),
        "missing-column": loans(PRE, facet=[{"name_or_index": "religion"}]),
        "missing-label": loans(PRE, label=None),
        "missing-label-column": loans(PRE, label="approved"),
        "missing-value": loans(PRE, facet=[{**race, "value_or_threshold": ["Purple"]}]),
        "pairwise-logit": loans(shap),
        "dataset-type": loans(PRE, dataset_type="text/xml"),
        "other-dataset-type": loans(PRE, dataset_type="application/x-parquet"),
        "unknown-key": {**loans(PRE), "facets": [race]},
        "no-methods": loans({}),
        "no-predictions": loans(POST, predictor=None),
        "no-model-file": loans(POST, predictor={"model_uri": f"{INPUTS / 'nothing.skops'}"}),
        "excluded-needed": loans(POST, excluded_columns=["obrat", *NOT_FEATURES]),
        "features-to-explain": loans({"shap": {**GIVEN, "features_to_explain": ["nothing"]}}),
        "baseline-length": loans({"shap": {"baseline": [[1, 2]]}}),
        "later": loans({**PRE, "shap": {**GIVEN, "text_config": {"granularity": "token", "language": "english"}}}),
        "no-such-module": loans(POST, predictor={"model_uri": "python:nothing.here:predict"}),
        "weight-text": loans(PRE, weight="race"),
    }
    for name, config in wrong.items():
        yield analysis(f"error-{name}", config)
    yield analysis("error-no-data", loans(PRE), data="nothing.csv")
    yield analysis("error-fail-on", loans(PRE), "--fail-on", "outside")
    yield analysis("error-strict", loans(PRE, label_values_or_threshold=1, predictor=None), "--strict")
    nowhere = {"model_uri": "http://127.0.0.1:9/invocations", "content_type": "text/csv", "accept_type": "text/csv"}
    yield analysis("error-no-service", loans(POST, predictor={**nowhere, "label": 0}), "--retry-seconds", "1")
    other = {"model_uri": f"{INPUTS / 'untrusted.skops'}"}
    untrusted = Step(tuple(word for word in analyze("error-untrusted").argv if word not in TRUST))
    yield Case("error-untrusted", (untrusted,), {"config.json": written(loans(POST, predictor=other))})
    words = analyze("error-output").argv
    elsewhere = Step(tuple("/proc/nothing/output" if word.endswith("/output") else word for word in words))
    yield Case("error-output", (elsewhere,), {"config.json": written(loans(PRE, predictor=None))})


# Other commands

SUBCOMMANDS = ("analyze", "validate", "config", "cleanup", "report", "schema", "demo")
RICH = """--dataset-type csv --dataset-uri s3://bucket/loans.csv --label approve --label-values 1,2
--label-type categorical --headers approve,race,sex,obrat,chist,predicted,weight,id
--excluded-columns race,sex --joinsource id --predicted-label predicted
--facet race=Black,Hispanic --facet {"name_or_index":"sex"} --facet-intersection race,sex --group-variable chist
--min-cell-size 30 --confidence-level 0.9 --weight weight --bounds DPPL=-0.1:0.1 --bounds DI=0.8:
--probability-threshold 0.4 --max-malformed-records 3 --pre-training-bias --post-training-bias AD,DI --shap
--num-clusters 8 --num-samples 500 --agg-method median --use-logit --save-local-shap-values --seed 7
--features-to-explain obrat --pdp --grid-resolution 9 --top-k-features 2 --report --report-title Loans
--model-uri model.tar.gz --content-type text/csv --accept-type application/json --model-probability score
--set methods.shap.num_samples=600"""


def _commands() -> Iterator[Case]:
    yield _words("help", ("--help",), ("--version",), *((command, "--help") for command in SUBCOMMANDS))
    yield _words("schema", ("schema",))
    yield _words("wrong-words", (), ("analyse",), ("analyze", "--seed", "x"), ("analyze", "--max-model-calls", "0"),
                 ("analyze", "--fail-on", "red"), ("analyze",), ("validate",))  # fmt: skip
    yield _words("validate-examples", *(("validate", f"{WORK}/validate-examples/{path.name}") for path in _found()),
                 files={path.name: path.read_text(encoding="utf-8") for path in _found()})  # fmt: skip
    yield _validation()
    yield _config_command()
    name = "report-again"
    config = loans({**PRE, **POST, **REPORT}, predictor=None, predicted_label="predicted")
    again = (analyze(name), Step(("report", f"{WORK / name / 'output'}")), Step(("report", f"{WORK / name}")))
    yield Case(name, again, {"config.json": written(config)})
    yield _words("cleanup", ("cleanup", "--output", f"{WORK}/cleanup"), ("cleanup", "--output", f"{WORK}/nothing"),
                 ("cleanup", "--output", f"{WORK}/cleanup", "--dry-run"))  # fmt: skip


def _found() -> list[Path]:
    return sorted(EXAMPLES.glob("*.json"))


def _words(name: str, *commands: tuple[str, ...], files: dict[str, str] | None = None) -> Case:
    return Case(name, tuple(map(Step, commands)), files or {})


def _validation() -> Case:
    many: Config = {
        "label": 3.5,
        "facet": [{"name_or_index": "race", "value": 1}, {}],
        "methods": {"pre_training_bias": {"methods": ["CI", "no"]}, "shap": {"num_samples": -1, "agg_method": "max"}},
        "predictor": {"model_name": "a", "endpoint_name": "b", "content_type": "text/html"},
        "probability_threshold": 3,
        "segment_config": [{"name_or_index": "appinc", "segments": [["[5, 1]"]]}],
        "bounds": {"XX": {"min": 1}},
    }
    texts = {"image_config": {"model_type": "OBJECT_DETECTION"}, "baseline": [], "text_config": {"granularity": "x"}}
    files = {
        "many.json": written(many),
        "texts.json": written(loans({"shap": texts})),
        "ours.json": written(loans(PRE, weight="weight", bounds=BOUNDS)),
        "broken.json": '{"label": "approve",\n "methods": }\n',
        "list.json": "[]\n",
        "missing.json": written({"dataset_type": "text/csv", "methods": PRE}),
    }
    paths = [f"{WORK}/validate-problems/{name}" for name in (*files, "nothing.json")]
    commands = (*(("validate", path) for path in paths), *(("validate", "--strict", path) for path in paths[:3]))
    return _words("validate-problems", *commands, files=files)


def _config_command() -> Case:
    folder = f"{WORK}/config-command"
    rich = tuple(RICH.split())
    small = ("--dataset-type", "csv", "--label", "approve", "--label-values", "1", "--facet", "race")
    endpoint = ("--endpoint-name", "loans", "--content-type", "text/csv", "--accept-type", "text/csv")
    commands = (
        ("config", *rich),
        ("config", *small, "--pre-training-bias", "--output", f"{folder}/written.json"),
        ("config", "--from", f"{folder}/written.json", "--post-training-bias", "DPPL", *endpoint),
        ("config", *small),
        ("config", *small, "--bounds", "DPPL"),
        ("config", *small, "--pre-training-bias", "CI,NO"),
        ("config", *small, "--facet", "{"),
        ("config", *small, "--pre-training-bias", "--strict", "--weight", "weight"),
        ("config", "--from", f"{folder}/nothing.json"),
    )
    return _words("config-command", *commands)


# Processes of their own


def _processes() -> Iterator[Case]:
    module = ("-m", "clarify_spark")
    yield Case("demo", (Step(("demo",), module), Step(("report", "demo-output"), module)))
    name = "job"
    words = analyze(name).argv[1:]
    config = written(loans({**PRE, **POST}, predictor=None, predicted_label="predicted"))
    jobs = (Step(words, (f"{CHECKOUT}/jobs/analyze.py",)), Step(("--help",), (f"{CHECKOUT}/jobs/processing.py",)))
    yield Case(name, jobs, {"config.json": config})
    name = "resume-killed"
    slow = loans({"shap": COSTLY}, predictor={"model_uri": "python:slow_loans:predict"})
    first = analyze(name, program=module, killed_at="output/explanations_shap/_journal/range-*")
    yield Case(name, (first, analyze(name, program=module)), {"config.json": written(slow)})
