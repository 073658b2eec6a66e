"""Object store settings for a session started here, unless the user or the platform sets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: S3A multiplies its retries by those of the SDK: by default, many minutes for a host that does not answer.
#: These limit each request to about a minute.
TIMEOUTS = {
    "fs.s3a.retry.limit": "6",
    "fs.s3a.attempts.maximum": "2",
    "fs.s3a.connection.establish.timeout": "5000",
}
_DEFAULTS = "core-default.xml"
S3A = "org.apache.hadoop.fs.s3a.S3AFileSystem"


def adapt(spark: SparkSession) -> None:
    """Let s3:// mean S3A where nothing else reads it (EMR and Databricks do), and make S3A give up in bounded time."""
    context: Any = spark.sparkContext
    conf = context._jsc.hadoopConfiguration()
    if not _known(context, conf, "s3"):
        conf.set("fs.s3.impl", S3A)
    for key, value in TIMEOUTS.items():
        if {str(source) for source in conf.getPropertySources(key) or ()} <= {_DEFAULTS}:
            conf.set(key, value)


def _known(context: Any, conf: Any, scheme: str) -> bool:
    """Whether Hadoop has a file system for the scheme."""
    from py4j.protocol import Py4JJavaError

    try:
        context._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(scheme, conf)
    except Py4JJavaError:
        return conf.get(f"fs.{scheme}.impl") is not None
    return True
