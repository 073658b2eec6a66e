"""Puts S3A beside the jars of the installed pyspark: hadoop-aws of the same Hadoop, and what it uses of the AWS SDK.

Spark's own resolver gets them from Maven Central, or from the mirror that ``spark.jars.ivySettings`` names.
"""

import re
import shutil
import tempfile
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession


def packages(hadoop: str) -> tuple[str, str]:
    """What to resolve for a version of Hadoop, and the bundle of the whole AWS SDK (600 MB), which to leave out."""
    if hadoop.startswith("3.3."):
        parts = [f"com.amazonaws:aws-java-sdk-{part}:1.12.262" for part in ("s3", "dynamodb", "sts")]
        bundle = "com.amazonaws:aws-java-sdk-bundle"
    else:
        parts = [f"software.amazon.awssdk:{part}:2.35.4" for part in ("s3", "s3-transfer-manager", "sts")]
        bundle = "software.amazon.awssdk:bundle"
    return ",".join([f"org.apache.hadoop:hadoop-aws:{hadoop}", *parts]), bundle


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
        return sorted(Path(shutil.copy(path, jars)).name for path in Path(folder, "jars").glob("*.jar"))


if __name__ == "__main__":
    for name in fetch(Path(pyspark.__file__).parent / "jars"):
        print(name)  # noqa: T201
