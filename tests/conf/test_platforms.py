"""The files of conf/ for EMR, EMR Serverless, Databricks and containers: what their platforms would refuse at once."""

import json
import re
import shlex
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from clarify_spark.cli.command import parser

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = REPOSITORY / "conf"
#: What belongs to a platform and not to spark-defaults.conf.
PLATFORM = re.compile(
    r"spark\.(archives|yarn\..*|emr-serverless\..*|executorEnv\.PYSPARK_PYTHON|(driver|executor)\.(cores|memory|memoryOverhead)"
    r"|dynamicAllocation\.maxExecutors)$"
)


def document(name):
    return json.loads((CONF / name).read_text(encoding="utf-8"))


def defaults():
    lines = (CONF / "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
    return dict(line.split(None, 1) for line in lines if line.startswith("spark."))


def problems(service, operation, parameters):
    """What boto3 would say of the parameters of a call, without a network."""
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return ParamValidator().validate(parameters, model.input_shape).generate_report()


def conf_of(words):
    """The --conf options among the words of a spark-submit command."""
    given = [words[place + 1] for place, word in enumerate(words) if word == "--conf"]
    return dict(one.split("=", 1) for one in given)


def accepted_by_analyze(words):
    assert vars(parser().parse_args(["analyze", *words]))["output"].endswith("results/")


def as_in_defaults(found):
    ours = {key: value for key, value in found.items() if not PLATFORM.match(key)}
    assert ours == {key: defaults()[key] for key in ours}
    assert {"spark.sql.caseSensitive", "spark.sql.session.timeZone", "spark.python.worker.reuse"} <= set(ours)


def test_the_validator_would_find_a_mistake():
    assert "Unknown parameter" in problems("emr", "AddJobFlowSteps", {"JobFlowId": "j", "Steps": [{"Nmae": ""}]})


def test_emr_takes_the_step():
    steps = document("emr-step.json")
    assert problems("emr", "AddJobFlowSteps", {"JobFlowId": "j-EXAMPLE", "Steps": steps}) == ""
    words = steps[0]["HadoopJarStep"]["Args"]
    job = words.index("s3://bucket/clarify/analyze.py")
    accepted_by_analyze(words[job + 1 :])
    as_in_defaults(conf_of(words[:job]))


def test_emr_serverless_takes_the_job():
    job = document("emr-serverless-job.json")
    assert problems("emr-serverless", "StartJobRun", {**job, "clientToken": "x"}) == ""
    submit = job["jobDriver"]["sparkSubmit"]
    accepted_by_analyze(submit["entryPointArguments"])
    found = conf_of(shlex.split(submit["sparkSubmitParameters"]))
    found |= job["configurationOverrides"]["applicationConfiguration"][0]["properties"]
    as_in_defaults(found)


@pytest.mark.parametrize("name", ["emr-step.json", "emr-serverless-job.json"])
def test_the_packed_environment_is_found_where_it_is_unpacked(name):
    text = (CONF / name).read_text(encoding="utf-8")
    unpacked = re.findall(r"environment\.tar\.gz#(\w+)", text)
    assert unpacked
    assert set(re.findall(r"PYSPARK_(?:DRIVER_)?PYTHON=\./(\w+)/bin/python", text)) == set(unpacked)


@pytest.fixture
def bundle():
    return yaml.safe_load((CONF / "databricks" / "databricks.yml").read_text(encoding="utf-8"))


def test_databricks_jobs_name_an_entry_point_that_the_wheel_has(bundle):
    points = re.findall(r'"(\w+) = clarify_spark', (REPOSITORY / "setup.py").read_text(encoding="utf-8"))
    for job in bundle["resources"]["jobs"].values():
        for task in job["tasks"]:
            wheel = task["python_wheel_task"]
            assert wheel["package_name"] == "clarify_spark"
            assert wheel["entry_point"] in points
            assert parser().parse_args(wheel["parameters"]).command == "analyze"


def test_databricks_tasks_refer_to_what_the_bundle_defines(bundle):
    for job in bundle["resources"]["jobs"].values():
        clusters = {one["job_cluster_key"] for one in job.get("job_clusters", ())}
        environments = {one["environment_key"] for one in job.get("environments", ())}
        for task in job["tasks"]:
            assert task.get("job_cluster_key") in clusters or task.get("environment_key") in environments
    used = set(re.findall(r"\$\{var\.(\w+)\}", (CONF / "databricks" / "databricks.yml").read_text(encoding="utf-8")))
    assert used == set(bundle["variables"])


def test_databricks_clusters_have_our_settings(bundle):
    cluster = bundle["resources"]["jobs"]["clarify"]["job_clusters"][0]["new_cluster"]
    as_in_defaults(cluster["spark_conf"])
