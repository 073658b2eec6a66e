"""What is not imported: nothing heavy for --help, no pyspark and no pandas where a local folder needs none."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from clarify_spark.cli.command import COMMANDS

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "conf" / "examples" / "report.json"
LOANS = Path(__file__).parent / "report" / "loans"
HEAVY = (
    "boto3", "jmespath", "jinja2", "matplotlib", "nbformat", "numpy", "pandas", "pyarrow", "pydantic", "pyspark",
    "scipy", "sklearn",
)  # fmt: skip
#: What is not needed where no data are read.
WITHOUT = ("pandas", "pyarrow", "pyspark")
COMMAND = "from clarify_spark.cli import main; assert main(sys.argv[1:]) == 0"


def python(code, *arguments, without=()):
    """What the code writes, in a process where the modules ``without`` cannot be imported."""
    blocked = f"import sys; sys.modules |= dict.fromkeys({without!r})\n"
    done = subprocess.run([sys.executable, "-c", blocked + code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    for name in ("analysis.json", "analysis_details.json"):
        (tmp_path / name).write_bytes((LOANS / name).read_bytes())
    return tmp_path


@pytest.mark.parametrize("words", [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_what_only_says_something_imports_nothing_heavy(words):
    code = f"""
import atexit
from clarify_spark.cli import main
atexit.register(lambda: print("\\nimported:", *sorted(set({HEAVY!r}) & set(sys.modules))))
main(sys.argv[1:])
"""
    said = python(code, *words).splitlines()
    assert "clarify-spark" in said[0]
    assert said[-1].strip() == "imported:"


def test_the_help_of_a_command_imports_no_other_command():
    code = "from clarify_spark.cli.command import COMMANDS, parser; parser().parse_args(['validate', 'x'])\n"
    code += "print(*(name for name, command in COMMANDS.items() if command.module in sys.modules))"
    assert python(code).split() == ["validate"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["validate", str(CONFIG)], ["validate", "--strict", str(CONFIG)], ["schema"], ["config", "--from", str(CONFIG)]],
    ids=lambda words: " ".join(words).replace(str(CONFIG), "FILE"),
)
def test_configs_need_neither_pyspark_nor_pandas(words):
    assert python(COMMAND, *words, without=WITHOUT)


@pytest.mark.slow
def test_a_report_needs_neither_pyspark_nor_pandas(folder):
    python(COMMAND, "report", str(folder), without=WITHOUT)
    assert sorted(path.name for path in folder.glob("report.*")) == ["report.html", "report.ipynb", "report.pdf"]
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_documents_of_a_local_folder_need_neither_pyspark_nor_pandas(folder):
    code = """
import clarify_spark, json
found = clarify_spark.Results(sys.argv[1])
assert found.report_html and found.analysis.version == found.document["version"]
print(json.dumps([found.document, found.details]))
"""
    found = json.loads(python(code, str(folder), without=WITHOUT))
    assert found == [json.loads((folder / name).read_text()) for name in ("analysis.json", "analysis_details.json")]


def test_tables_of_a_local_folder_need_no_pyspark(folder):
    code = "import clarify_spark; found = clarify_spark.Results(sys.argv[1]); print(found, len(found.metrics)"
    found = python(code + ", len(found.shap_values))", str(folder), without=("pyspark",))
    assert all(int(count) > 0 for count in found.split()[-2:])


@pytest.mark.parametrize("name", ["clarify_spark", "clarify_spark.config", "clarify_spark.sagemaker"])
def test_every_name_that_a_module_offers_is_there(name):
    module = importlib.import_module(name)
    assert all(getattr(module, offered) is not None for offered in module.__all__)
