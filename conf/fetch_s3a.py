"""Adds S3A to the jars of the installed pyspark: hadoop-aws for the same Hadoop, and what it uses of the AWS SDK.

Spark's own resolver gets them from Maven Central, or from the mirror that ``spark.jars.ivySettings`` names.
"""

import re
import shutil
import tempfile
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession


def packages(hadoop: str) -> tuple[str, str]:
    """What to resolve for a version of Hadoop, and the bundle of the whole AWS SDK (600 MB), which is excluded."""
    if hadoop.startswith("3.3."):
        parts = [f"com.amazonaws:aws-java-sdk-{part}:1.12.262" for part in ("s3", "dynamodb", "sts")]
        bundle = "com.amazonaws:aws-java-sdk-bundle"
    else:
        parts = [f"software.amazon.awssdk:{part}:2.35.4" for part in ("s3", "s3-transfer-manager", "sts")]
        bundle = "software.amazon.awssdk:bundle"
    return ",".join([f"org.apache.hadoop:hadoop-aws:{hadoop}", *parts]), bundle


def missing(found: list[str], there: list[str]) -> list[str]:
    """Resolved files (group_artifact-version.jar) that Spark does not already have: it must not see two."""
    present = {_artifact(name) for name in there}
    return [name for name in found if _artifact(name.partition("_")[2]) not in present]


def _artifact(name: str) -> str:
    return re.sub(r"-\d[^/]*\.jar$", "", name)


def fetch(jars: Path) -> list[str]:
    """Names of the files that were put into ``jars``."""
    client = next(jars.glob("hadoop-client-api-*.jar")).name
    wanted, bundle = packages(re.sub(r"hadoop-client-api-(.+)\.jar", r"\1", client))
    with tempfile.TemporaryDirectory() as folder:
        session = (
            SparkSession.builder.master("local[1]")
            .config("spark.jars.packages", wanted)
            .config("spark.jars.excludes", bundle)
            .config("spark.jars.ivy", folder)
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        session.stop()
        resolved = sorted(path.name for path in Path(folder, "jars").glob("*.jar"))
        wanted_files = missing(resolved, [path.name for path in jars.glob("*.jar")])
        return [Path(shutil.copy(Path(folder, "jars", name), jars)).name for name in wanted_files]


if __name__ == "__main__":
    for name in fetch(Path(pyspark.__file__).parent / "jars"):
        print(name)  # noqa: T201
