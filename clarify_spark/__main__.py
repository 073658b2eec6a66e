"""``python -m clarify_spark`` is the ``clarify-spark`` command; ``job`` is that command as a platform's wheel task."""

import os
import sys

from clarify_spark.cli import main


def job() -> None:
    """Run the command and raise SystemExit if it fails: Databricks wheel tasks treat nothing else as a failure."""
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:  # the platform's session, classic or Connect
        from pyspark.sql import SparkSession

        SparkSession.builder.getOrCreate()
    code = main()
    if code:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
