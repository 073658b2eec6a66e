"""The container for SageMaker Processing: its entry point on the real folders, and the steps of its Dockerfile."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = (REPOSITORY / "conf" / "Dockerfile").read_text(encoding="utf-8")
#: A private view of the file system in which /opt/ml is the folder that is the first argument.
PRIVATE = 'mount -t tmpfs tmpfs /opt && mkdir /opt/ml && mount --bind "$1" /opt/ml && shift && exec "$@"'


def instructions(name):
    """The arguments of an instruction, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE))
    return re.findall(rf"(?m)^{name} (.+)$", text)


def entry_point(words):
    """The image's ENTRYPOINT where its files lie in this checkout, with further words."""
    python, script = json.loads(instructions("ENTRYPOINT")[0])
    assert python == "python"
    assert script.startswith("/opt/clarify_spark/")
    return [sys.executable, str(REPOSITORY / "jobs" / Path(script).name), *words]


def isolated():
    """Whether this user may have a private view of the file system, and nothing that is needed lies under /opt."""
    places = [Path(sys.executable), Path(sys.base_prefix), Path(shutil.which("java") or "/"), REPOSITORY]
    if any(str(place.resolve()).startswith("/opt/") for place in places) or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def container(tmp_path):
    """Runs the entry point with a folder of its own as /opt/ml; as SageMaker does, without arguments."""
    if not isolated():
        pytest.skip("needs Linux and permission to mount")
    for folder in ("processing/input/config", "processing/input/data", "processing/output", "output", "config"):
        (tmp_path / "ml" / folder).mkdir(parents=True)

    def start(*words):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK", "SPARK"))}
        environment["SPARK_CONF_DIR"] = str(tmp_path / "conf")
        shutil.copytree(REPOSITORY / "conf", tmp_path / "conf", dirs_exist_ok=True)
        command = ["unshare", "-m", "sh", "-c", PRIVATE, "sh", str(tmp_path / "ml"), *entry_point(words)]
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)

    start.ml = tmp_path / "ml"
    return start


def resources(container, current, *hosts):
    settings = {"current_host": current, "hosts": list(hosts), "network_interface_name": "eth0"}
    (container.ml / "config" / "resourceconfig.json").write_text(json.dumps(settings))


@pytest.mark.process("jobs", "conf/Dockerfile", "clarify_spark/config/environment.py")
@pytest.mark.spark
def test_a_job_without_arguments_uses_the_folders_of_sagemaker(container, config, loans):
    (container.ml / "processing/input/config/analysis_config.json").write_text(json.dumps(config))
    loans.to_csv(container.ml / "processing/input/data/loans.csv", index=False)
    resources(container, "algo-1", "algo-1")
    done = container()
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "exit_message: Completed: clarify_spark ran successfully"
    found = json.loads((container.ml / "processing/output/analysis.json").read_text())
    assert set(found) >= {"pre_training_bias_metrics", "post_training_bias_metrics"}


def test_a_failure_is_left_where_sagemaker_reads_its_reason(container):
    (container.ml / "processing/input/config/analysis_config.json").write_text('{"dataset_type": "text/csv"}')
    done = container()
    assert done.returncode == 2
    reason = (container.ml / "output" / "message").read_text()
    assert reason.startswith("Customer Error: ")
    assert "methods" in reason


def test_of_several_hosts_the_first_one_works(container):
    resources(container, "algo-2", "algo-2", "algo-1")
    done = container()
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "algo-1 does the work" in done.stderr
    resources(container, "algo-1", "algo-2", "algo-1")
    done = container()
    assert done.returncode == 2  # there is no config
    assert "2 instances" in done.stderr


def test_data_that_no_host_has_whole_are_refused(container):
    resources(container, "algo-2", "algo-1", "algo-2")
    sharded = {"InputName": "dataset", "S3Input": {"S3DataDistributionType": "ShardedByS3Key"}}
    whole = {"InputName": "analysis_config", "S3Input": {"S3DataDistributionType": "FullyReplicated"}}
    (container.ml / "config" / "processingjobconfig.json").write_text(
        json.dumps({"ProcessingInputs": [whole, sharded]})
    )
    done = container()
    assert done.returncode == 2
    assert "'dataset' is ShardedByS3Key" in (container.ml / "output" / "message").read_text()


def test_a_container_that_was_started_by_hand_needs_no_settings(container):
    done = container("--config", "/none.json", "--data", "/none.csv", "--output", "/tmp/none")
    assert done.returncode == 2
    assert "/none.json" in done.stderr


# --- the Dockerfile -------------------------------------------------------------------------------------------------


def copied():
    """Sources in this checkout of every COPY of the Dockerfile, defaults of ARG filled in."""
    defaults = dict(one.split("=", 1) for one in instructions("ARG"))
    for line in instructions("COPY"):
        words = re.sub(r"\$\{(\w+)\}", lambda found: defaults[found[1]], line).split()
        if not words[0].startswith("--from="):
            yield from words[:-1]


def test_what_the_image_copies_is_there_and_reaches_the_docker_daemon():
    ignore = (REPOSITORY / "conf" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    assert len(list(copied())) > 10
    for name in copied():
        assert (REPOSITORY / name).exists(), name
        assert any(name == one or name.startswith(f"{one}/") for one in sent), name


def test_the_steps_of_the_image_are_shell():
    for step in instructions("RUN"):
        assert subprocess.run(["sh", "-n", "-c", step], capture_output=True, check=False).stderr == b""
        assert shlex.split(step)


def test_the_extras_of_the_image_exist():
    defaults = dict(one.split("=", 1) for one in instructions("ARG"))
    extras = re.search(r"extras_require=\{(.+)\}", (REPOSITORY / "setup.py").read_text(encoding="utf-8"))[1]
    models = re.findall(r'(?m)^    "(\w+)": \[', (REPOSITORY / "setup.py").read_text(encoding="utf-8"))
    assert set(defaults["EXTRAS"].split(",")) <= {*models, *re.findall(r'"(\w+)":', extras)}


def test_s3_comes_in_the_version_of_sparks_hadoop():
    spec = importlib.util.spec_from_file_location("fetch_s3a", REPOSITORY / "conf" / "fetch_s3a.py")
    fetch_s3a = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fetch_s3a)
    wanted, left_out = fetch_s3a.packages("3.5.0")
    assert wanted.startswith("org.apache.hadoop:hadoop-aws:3.5.0,software.amazon.awssdk:s3:")
    assert left_out == "software.amazon.awssdk:bundle"
    assert "com.amazonaws:aws-java-sdk-s3" in fetch_s3a.packages("3.3.4")[0]
    resolved = ["software.amazon.awssdk_s3-2.35.4.jar", "io.netty_netty-buffer-4.1.126.Final.jar"]
    assert fetch_s3a.missing(resolved, ["netty-buffer-4.2.13.Final.jar", "zstd-jni-1.5.7.jar"]) == resolved[:1]
