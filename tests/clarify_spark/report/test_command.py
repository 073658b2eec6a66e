"""The report of a finished run where there is no Spark."""

import json
import subprocess
import sys

COMMAND = "import sys; sys.modules['pyspark'] = None; from clarify_spark.cli import main; sys.exit(main(sys.argv[1:]))"


def test_a_report_is_drawn_without_pyspark(loans, tmp_path):
    for name, document in zip(("analysis.json", "analysis_details.json"), loans, strict=True):
        (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "report", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("report.*")) == ["report.html", "report.ipynb", "report.pdf"]
