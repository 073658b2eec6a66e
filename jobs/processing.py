"""Entry point of a SageMaker processing container, instead of Clarify's image: ``analyze`` on the job's folders.

SageMaker starts the container on every instance of a job. The first one does the work; the others end at once, since
all of them would write the same files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from clarify_spark.cli import main
from clarify_spark.cli.ending import write_exit_message

#: Where SageMaker lists the hosts of a job, and its definition.
SETTINGS = Path("/opt/ml/config")


def run(arguments: list[str], settings: Path = SETTINGS) -> int:
    """The exit code of this host's part of the job."""
    hosts = sorted(_read(settings / "resourceconfig.json").get("hosts", []))
    current = _read(settings / "resourceconfig.json").get("current_host")
    if len(hosts) < 2:
        return main(["analyze", *arguments])
    scattered = _scattered(_read(settings / "processingjobconfig.json"))
    if scattered:
        return _refuse(
            f"The input {scattered[0]!r} is ShardedByS3Key, so no host has all of it: "
            "use one instance, or FullyReplicated"
        )
    if current != hosts[0]:
        _say(f"exit_message: Completed: {hosts[0]} does the work of this job, {current} has nothing to do")
        return 0
    _say(f"warning: this job has {len(hosts)} instances and uses one; a larger one, or a cluster, is more economical")
    return main(["analyze", *arguments])


def _read(path: Path) -> dict[str, Any]:
    """A JSON object from SageMaker; empty where there is none, as in a manually started container."""
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _scattered(job: dict[str, Any]) -> list[str]:
    """Names of the inputs that are split among hosts."""
    inputs = job.get("ProcessingInputs") or []
    return [one.get("InputName", "?") for one in inputs if _distribution(one) == "ShardedByS3Key"]


def _distribution(one: dict[str, Any]) -> str | None:
    return (one.get("S3Input") or {}).get("S3DataDistributionType") or (one.get("DatasetDefinition") or {}).get(
        "DataDistributionType"
    )


def _refuse(why: str) -> int:
    _say(f"clarify-spark: {why}")
    write_exit_message(f"Customer Error: {why}")
    return 2


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
