"""What a release contains, and with how little of it the package works."""

import json
import re
import subprocess
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest

import clarify_spark

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "clarify_spark"
CLUSTER = ("numpy", "pandas", "pyarrow", "jmespath")


def sources():
    """Paths in a wheel of every file of the package in this checkout."""
    ours = [path for path in PACKAGE.rglob("*") if path.relative_to(PACKAGE).parts[0] != "udfs"]
    theirs = list((REPOSITORY / "udfs").rglob("*"))
    files = {path: Path("clarify_spark") / path.relative_to(PACKAGE) for path in ours}
    files |= {path: Path("clarify_spark/udfs") / path.relative_to(REPOSITORY / "udfs") for path in theirs}
    return {str(name) for path, name in files.items() if path.is_file() and "__pycache__" not in path.parts}


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def information(wheel, name="METADATA"):
    found = next(content for path, content in contents(wheel).items() if path.endswith(f".dist-info/{name}"))
    return found.decode("utf-8")


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(built):
    found = {name for name in contents(built.wheel) if ".dist-info/" not in name}
    assert found == sources()
    assert {"clarify_spark/py.typed", "clarify_spark/udfs/py.typed", "clarify_spark/udfs/shap/shapley.py"} <= found
    assert "clarify_spark/report/templates/report.html.j2" in found


def test_the_source_distribution_builds_the_same_wheel(built):
    assert built.wheel.name == built.wheel_of_sdist.name
    assert contents(built.wheel) == contents(built.wheel_of_sdist)


def test_the_source_distribution_has_the_job_and_no_tests(built):
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"jobs/analyze.py", "LICENSE", "udfs/shap/shapley.py", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_the_version_is_that_of_the_package(built):
    assert Parser().parsestr(information(built.wheel))["Version"] == clarify_spark.__version__


def test_every_extra_is_there_and_pyspark_is_one(built):
    metadata = Parser().parsestr(information(built.wheel))
    extras = {"aws", "sklearn", "xgboost", "lightgbm", "onnx", "mlflow", "http", "pdf", "demo", "test", "spark"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    plain = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert not [line for line in plain if line.startswith(("pyspark", "scikit-learn", "boto3", "typst"))]


def test_the_command_is_the_only_script_and_wheel_tasks_find_theirs(built):
    points = ConfigParser()
    points.read_string(information(built.wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {"clarify-spark": "clarify_spark.cli:main"}
    assert dict(points["clarify_spark.jobs"]) == {"job": "clarify_spark.__main__:job"}


def test_every_package_of_import_linters_layers_is_in_the_wheel(built):
    layers = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    modules = {name.strip() for layer in layers["layers"] for name in re.split("[|:]", layer)}
    found = {Path(name).parts[1].removesuffix(".py") for name in contents(built.wheel) if name.startswith("clarify_")}
    assert modules <= found


def test_executors_need_nothing_but_the_cluster_packages(built, interpreter):
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in sorted(contents(built.wheel))
        if name.startswith("clarify_spark/udfs/") and name.endswith(".py")
    ]
    # A shipped model is asked for by the Python workers of executors alone, which have pyspark.
    modules.remove("clarify_spark.udfs.predictors.shipped")
    code = f"import importlib\nfor name in {modules!r}: print(importlib.import_module(name).__file__)\n"
    done = interpreter(code, *CLUSTER)
    assert done.returncode == 0, done.stderr
    places = done.stdout.splitlines()
    assert len(places) == len(modules)
    assert all("clarify_spark.zip" in place for place in places)


def test_blocked_distributions_are_really_not_there(interpreter):
    done = interpreter("import pydantic", *CLUSTER)
    assert "No module named 'pydantic'" in done.stderr


@pytest.mark.slow
def test_a_lean_installation_validates_configs_and_prints_the_schema(interpreter, tmp_path):
    path = tmp_path / "config.json"
    path.write_text((REPOSITORY / "conf" / "examples" / "report.json").read_text())
    code = "from clarify_spark.cli import main\nsys.exit(main(sys.argv[1:] or COMMAND))\n"
    done = interpreter(f"COMMAND = ['validate', {str(path)!r}]\n{code}", "clarify-spark")
    assert (done.returncode, done.stdout) == (0, f"{path}: valid\n"), done.stderr
    done = interpreter(f"COMMAND = ['schema']\n{code}", "clarify-spark")
    assert json.loads(done.stdout)["title"]


def test_a_lean_installation_says_how_to_get_spark(interpreter):
    code = "from clarify_spark.cli import main\nsys.exit(main(['analyze', '--config', 'none.json']))\n"
    done = interpreter(code, "clarify-spark")
    assert done.returncode == 2
    assert "pip install 'clarify-spark[spark]'" in done.stderr


def test_the_report_is_drawn_from_the_zip(interpreter):
    code = (
        "from jinja2 import PackageLoader\n"
        "from importlib.resources import files\n"
        "print(len(PackageLoader('clarify_spark.report').list_templates()))\n"
        "print(len(files('clarify_spark.report').joinpath('templates', 'report.typ').read_text('utf-8')))\n"
    )
    done = interpreter(code, "clarify-spark")
    assert done.returncode == 0, done.stderr
    assert all(int(line) > 0 for line in done.stdout.split())


def test_no_shell_script_has_mistakes_of_syntax():
    scripts = [*(REPOSITORY / "conf").rglob("*.sh"), REPOSITORY / ".ci" / "run"]
    assert len(scripts) >= 3
    for script in scripts:
        assert subprocess.run(["bash", "-n", script], capture_output=True, check=False).stderr == b""
