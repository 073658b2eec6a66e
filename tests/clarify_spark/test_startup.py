"""How a Spark on this machine is started: flags by the size of the input, libraries while the JVM starts."""

import json
import stat

import pytest

from clarify_spark.config import load
from clarify_spark.errors import CommandError
from clarify_spark.run.startup import startup_of
from clarify_spark.spark import startup as module
from clarify_spark.spark.session import require_java
from clarify_spark.spark.startup import DAEMON, LIBRARIES, QUICK_JVM, SMALL_INPUT, Startup, begun, local_bytes

DRIVER = "spark.driver.extraJavaOptions"
QUICK = {DRIVER: QUICK_JVM, "spark.sql.adaptive.enabled": "false"}


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No flags of the machine's, and no traces of ours in other tests."""
    for name in (*module._FLAG_VARIABLES, "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("SPARK_LAUNCHER_OPTS", "")
    monkeypatch.setenv(LIBRARIES, "")


@pytest.mark.parametrize(("size", "quick"), [(0, True), (SMALL_INPUT, True), (SMALL_INPUT + 1, False), (None, False)])
def test_only_for_small_local_input_the_jvm_is_started_with_flags(size, quick):
    assert (Startup(size).conf("local[2]") == QUICK) == quick
    assert quick or Startup(size).conf("local[2]") == {}


def test_executors_of_a_cluster_on_this_machine_get_the_flags_too():
    assert Startup(0).conf("local-cluster[2,1,1024]")["spark.executor.extraJavaOptions"] == QUICK_JVM


@pytest.mark.parametrize("name", module._FLAG_VARIABLES)
def test_flags_in_the_environment_are_the_users_choice(monkeypatch, name):
    monkeypatch.setenv(name, "-XX:+UseG1GC")
    assert Startup(0).conf("local[2]") == {}


@pytest.mark.parametrize(
    "words",
    ["--driver-java-options -XX:+UseZGC pyspark-shell", f"--conf {DRIVER}=-Xss4m pyspark-shell", "--properties-file x"],
)
def test_flags_in_words_for_spark_submit_are_the_users_choice(monkeypatch, words):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", words)
    assert Startup(0).conf("local[2]") == {}


def test_flags_in_sparks_defaults_are_the_users_choice(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("spark.master local\n")
    assert Startup(0).conf("local[2]") == QUICK
    (tmp_path / "spark-defaults.conf").write_text(f"{DRIVER} -XX:+UseG1GC\n")
    assert Startup(0).conf("local[2]") == {}


def test_workers_are_forked_by_a_daemon_that_has_their_libraries():
    conf = Startup(None, ("pandas", "pyarrow")).conf("local[2]")
    assert conf == {"spark.python.daemon.module": DAEMON, f"spark.executorEnv.{LIBRARIES}": "pandas,pyarrow"}


def test_executors_that_cannot_import_the_daemon_get_sparks_own(monkeypatch):
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    assert Startup(None, ("pandas",)).conf("local-cluster[2,1,1024]") == {}


def test_what_was_begun_has_ended_when_it_is_waited_for_and_its_error_is_raised():
    done = []
    begun(lambda: done.append(1))()
    assert done == [1]
    begun(None)()
    failed = begun(lambda: {}["here"])
    with pytest.raises(LookupError, match="here"):
        failed()


def test_data_that_must_not_or_cannot_be_looked_at_have_no_size():
    assert [local_bytes(uri) for uri in ("x" * 5000, "a\0b", "")] == [None] * 3


def test_a_folder_is_not_walked_further_than_it_must(tmp_path, monkeypatch):
    for name in "abcd":
        (tmp_path / name).write_bytes(b"12345")
    monkeypatch.setattr(module, "SMALL_INPUT", 8)
    assert local_bytes(str(tmp_path)) == 10


def test_the_size_of_local_input_is_that_of_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.csv").write_bytes(b"123")
    (tmp_path / "y.csv").write_bytes(b"4567")
    assert local_bytes(str(tmp_path)) == 7
    assert local_bytes(f"file://{tmp_path}/y.csv") == 4
    assert [local_bytes(uri) for uri in ("s3://b/x.csv", str(tmp_path / "none"), None)] == [None] * 3


def config_of(methods, **more):
    basis = {"dataset_type": "text/csv", "label": "y", "label_values_or_threshold": [1]}
    facet = [{"name_or_index": "x", "value_or_threshold": [1]}]
    return load(json.dumps({**basis, "facet": facet, "methods": methods, **more})).config


@pytest.mark.parametrize(
    ("methods", "more", "libraries"),
    [
        ({"pre_training_bias": {"methods": "all"}}, {}, set()),
        ({"post_training_bias": {"methods": ["DPPL"]}}, {"predicted_label": "p"}, set()),
        ({"post_training_bias": {"methods": ["FT"]}}, {"predicted_label": "p"}, {"pandas", "sklearn.neighbors"}),
        ({"shap": {}}, {"predictor": {"model_uri": "m.txt"}}, {"pandas", "pyarrow", "lightgbm"}),
        ({"shap": {}}, {"predictor": {"model_uri": "m.skops"}}, {"skops.io", "sklearn.linear_model"}),
    ],
)
def test_workers_are_given_the_libraries_of_the_model_and_of_the_flip_test_alone(methods, more, libraries):
    found = startup_of(config_of(methods, **more), None).worker_libraries
    assert libraries <= set(found)
    assert libraries or not found


def test_the_driver_imports_what_its_analyses_need(monkeypatch):
    asked = []
    monkeypatch.setattr("clarify_spark.run.startup.import_all", asked.extend)
    first = startup_of(
        config_of({"pre_training_bias": {"methods": "all"}, "report": {"name": "report", "title": "t"}}),
        None,
        lambda: asked.append("first"),
    )
    first.meanwhile()
    assert asked[0] == "first"
    assert {"pandas", "scipy.stats", "matplotlib.backends.backend_svg"} <= set(asked)


def test_a_missing_library_is_left_to_whoever_needs_it():
    module.import_all(["json", "no_such_library_at_all"])


def test_java_is_asked_for_its_version_only_where_no_file_tells(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'cannot execute' >&2\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(CommandError, match="does not run"):
        require_java()
    (tmp_path / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="17.0.15"\n')
    require_java()
    (tmp_path / "release").write_text('JAVA_VERSION="1.8.0_292"\n')
    with pytest.raises(CommandError, match="has Java 8"):
        require_java()
