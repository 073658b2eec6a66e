"""The examples of docs/pipelines.md: state machines that hang together, calls that services take, DAGs that load."""

import json
import re
import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType

import botocore.session
import pytest
from botocore.validate import ParamValidator

from clarify_spark.cli.command import parser

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "docs" / "examples"
MACHINES = sorted(EXAMPLES.glob("step_functions_*.json"))
DAGS = sorted(EXAMPLES.glob("airflow_*.py"))
#: Resources of tasks, and the service and operation that each calls.
CALLS = {
    "arn:aws:states:::emr-serverless:startJobRun.sync": ("emr-serverless", "StartJobRun"),
    "arn:aws:states:::elasticmapreduce:addStep.sync": ("emr", "AddJobFlowSteps"),
    "arn:aws:states:::sagemaker:createProcessingJob.sync": ("sagemaker", "CreateProcessingJob"),
    "arn:aws:states:::aws-sdk:s3:headObject": ("s3", "HeadObject"),
    "arn:aws:states:::sns:publish": ("sns", "Publish"),
}


def test_there_are_examples_and_the_page_names_each():
    page = (REPOSITORY / "docs" / "pipelines.md").read_text(encoding="utf-8")
    assert len(MACHINES) == len(DAGS) == 3
    assert [path.name for path in (*MACHINES, *DAGS) if f"examples/{path.name}" not in page] == []


# --- Step Functions -------------------------------------------------------------------------------------------------


def evaluated(expression, context):
    """What an intrinsic function or a path gives; enough of them for the examples."""
    value, rest = _expression(expression.strip(), context)
    assert rest == "", rest
    return value


def _expression(text, context):
    if text.startswith("'"):
        end = text.index("'", 1)
        return text[1:end], text[end + 1 :]
    if text.startswith("$"):
        path = re.match(r"\$\$?[\w.]*", text)[0]
        return context[path], text[len(path) :]
    name = re.match(r"States\.(\w+)\(", text)
    rest, found = text[name.end() :], []
    while not rest.startswith(")"):
        value, rest = _expression(rest.lstrip(", "), context)
        found.append(value)
    rest = rest[1:]
    if name[1] == "Array":
        return found, rest
    if name[1] == "StringToJson":
        return json.loads(found[0]), rest
    assert name[1] == "Format"
    return found[0].replace("{}", "%s") % tuple(found[1:]), rest


def filled(node, context):
    if isinstance(node, list):
        return [filled(item, context) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key.removesuffix(".$"): evaluated(value, context) if key.endswith(".$") else filled(value, context)
        for key, value in node.items()
    }


def camel(node, key=""):
    """Keys as EMR Serverless has them; those of Spark settings are not the service's."""
    if isinstance(node, list):
        return [camel(item) for item in node]
    if not isinstance(node, dict) or key == "Properties":
        return node
    return {name[0].lower() + name[1:]: camel(value, name) for name, value in node.items()}


CONTEXT = {
    "$$.Execution.Name": "run-1",
    "$.ClusterId": "j-EXAMPLE",
    "$.failure.Cause": '{"ExitMessage": "Completed, everything is written"}',
}


def tasks(path):
    states = json.loads(path.read_text(encoding="utf-8"))["States"]
    for state in states.values():
        if state["Type"] == "Task":
            yield state["Resource"], filled(state["Parameters"], CONTEXT)


def transitions(state):
    yield from (state[key] for key in ("Next", "Default") if key in state)
    yield from (one["Next"] for key in ("Catch", "Choices") for one in state.get(key, ()))


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_every_state_is_reached_and_every_way_ends(path):
    machine = json.loads(path.read_text(encoding="utf-8"))
    states, reached, open_ends = machine["States"], set(), [machine["StartAt"]]
    while open_ends:
        name = open_ends.pop()
        if name not in reached:
            reached.add(name)
            onward = list(transitions(states[name]))
            assert bool(onward) != (states[name]["Type"] in ("Succeed", "Fail"))
            open_ends += onward
    assert reached == set(states)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_services_take_the_calls_of_every_task(path):
    for resource, parameters in tasks(path):
        service, operation = CALLS[resource]
        if service == "emr-serverless":
            parameters = {**camel(parameters), "clientToken": "x"}
        if service == "emr":
            parameters = {"JobFlowId": parameters["ClusterId"], "Steps": [parameters["Step"]]}
        model = botocore.session.get_session().get_service_model(service).operation_model(operation)
        assert ParamValidator().validate(parameters, model.input_shape).generate_report() == ""


def words_of(parameters):
    """The options of ``analyze`` in the parameters of a task."""
    if "JobDriver" in parameters:
        return parameters["JobDriver"]["SparkSubmit"]["EntryPointArguments"]
    if "Step" in parameters:
        words = parameters["Step"]["HadoopJarStep"]["Args"]
        return words[words.index("s3://bucket/clarify/analyze.py") + 1 :]
    return parameters["AppSpecification"]["ContainerArguments"]


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_the_analysis_is_a_gate_into_a_folder_of_its_own(path):
    _, parameters = next(tasks(path))
    given = parser().parse_args(["analyze", *words_of(parameters)])
    assert given.fail_on == ["outside"]
    assert "s3://bucket/results/run-1/" in json.dumps(parameters)


@pytest.mark.parametrize(("machine", "conf"), [("emr_serverless", "emr-serverless-job"), ("emr", "emr-step")])
def test_the_settings_are_those_of_conf(machine, conf):
    _, parameters = next(tasks(EXAMPLES / f"step_functions_{machine}.json"))
    expected = json.loads((REPOSITORY / "conf" / f"{conf}.json").read_text(encoding="utf-8"))
    if machine == "emr":
        words, known = parameters["Step"]["HadoopJarStep"]["Args"], expected[0]["HadoopJarStep"]["Args"]
        assert words[: words.index("--config")] == known[: known.index("--config")]
    else:
        assert camel(parameters["ConfigurationOverrides"]) == expected["configurationOverrides"]
        submitted = camel(parameters["JobDriver"])["sparkSubmit"]["sparkSubmitParameters"]
        assert submitted == expected["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]


# --- Airflow --------------------------------------------------------------------------------------------------------


@pytest.fixture
def operators(monkeypatch):
    """Stand-ins for Airflow's classes, which take anything; what the operators were given, by task."""
    given = {}

    class Task:
        def __init__(self, **arguments):
            given[arguments["task_id"]] = arguments

        def __rshift__(self, other):
            return other

    class DAG:
        def __init__(self, **arguments):
            given["dag"] = arguments

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    names = {
        "airflow.sdk": {"DAG": DAG},
        "airflow.providers.standard.operators.bash": {"BashOperator": Task},
        "airflow.providers.apache.spark.operators.spark_submit": {"SparkSubmitOperator": Task},
        "airflow.providers.amazon.aws.operators.emr": {"EmrServerlessStartJobOperator": Task},
        "airflow.providers.databricks.operators.databricks": {"DatabricksSubmitRunOperator": Task},
    }
    for name, classes in names.items():
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            module = ModuleType(".".join(parts[:depth]))
            module.__path__ = []
            monkeypatch.setitem(sys.modules, module.__name__, module)
        vars(module).update(classes)
    return given


def words_of_task(task):
    if "application_args" in task:
        return task["application_args"]
    if "job_driver" in task:
        return task["job_driver"]["sparkSubmit"]["entryPointArguments"]
    (run,) = task["tasks"]
    assert run["python_wheel_task"]["entry_point"] == "job"
    assert run["python_wheel_task"]["parameters"][0] == "analyze"
    return run["python_wheel_task"]["parameters"][1:]


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_loads_and_its_analysis_is_a_gate_that_continues_when_tried_again(path, operators, tmp_path):
    shutil.copy(path, tmp_path)
    shutil.copy(REPOSITORY / "conf" / "emr-serverless-job.json", tmp_path)
    runpy.run_path(str(tmp_path / path.name))
    given = parser().parse_args(["analyze", *words_of_task(operators["analysis"])])
    assert given.fail_on == ["outside"]
    assert "{{ ds }}" in given.output
    assert operators["analysis"]["retries"] == 2


def test_the_config_of_a_dag_is_written_by_options_that_there_are(operators):
    runpy.run_path(str(EXAMPLES / "airflow_spark_submit.py"))
    words = re.sub(r"{{.*?}}", "x", operators["config"]["bash_command"]).split()
    assert words[0] == "clarify-spark"
    assert parser().parse_args(words[1:]).command == "config"
