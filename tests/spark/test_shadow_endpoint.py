"""Records of temporary endpoints in an output that is not on this machine."""

import os

import pytest
from control_plane import control_plane, denied

from clarify_spark.aws.shadow_endpoint import FOLDER, leftover_note, shadow_endpoint
from clarify_spark.cli import main
from clarify_spark.config.predictor import Predictor
from clarify_spark.spark.files.output import Output

pytestmark = pytest.mark.classic("of Hadoop's file systems alone, to which a Connect client does not write")


@pytest.fixture
def plane(monkeypatch):
    """A control plane without endpoints, and an environment that leads there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with control_plane() as plane:
        for name, value in plane.environment.items():
            monkeypatch.setenv(name, value)
        plane.reset()
        yield plane


@pytest.fixture
def uri(remote_uri, tmp_path):
    """A folder of a file system that is not the operating system's."""
    return f"{remote_uri(tmp_path)}/out"


def test_the_record_of_an_endpoint_goes_where_the_results_go_and_cleanup_reads_it_there(
    spark, plane, uri, tmp_path, capsys
):
    told = []
    output = Output(uri, spark)
    predictor = Predictor(model_name="credit", instance_type="ml.m5.large", initial_instance_count=1)
    plane.refusals["DeleteEndpoint"] = [denied("sagemaker:DeleteEndpoint")]
    with shadow_endpoint(predictor, output, told.append) as name:
        assert (tmp_path / "out" / FOLDER / f"{name}.json").is_file()
    assert told[-1].endswith(f"run: clarify-spark cleanup --output {uri}")
    assert f"({name})" in leftover_note(output)
    assert main(["cleanup", "--output", uri]) == 0
    assert f"Deleted: endpoint {name}" in capsys.readouterr().out
    assert plane.left() == ([], [])
    assert not (tmp_path / "out" / FOLDER).exists()
    assert main(["cleanup", "--output", uri]) == 0
    assert f"Nothing to clean up: {uri}" in capsys.readouterr().out
