"""Code that executors get from the driver through Spark."""

import pytest
from pyspark.sql import functions as sf

from clarify_spark.errors import CommandError
from clarify_spark.spark.delivery.code import _ship, _zipped

pytestmark = pytest.mark.classic("a Connect session sends artifacts, which tests/jobs/test_connect.py looks at")


def test_workers_import_what_was_shipped_and_other_code_of_that_name_is_refused(spark):
    package = _zipped([("shipped_toy.py", b"def answer():\n    return 42\n")])
    for _ in range(2):  # the second time nothing is left to do
        _ship(spark, "shipped_toy", package)

    @sf.udf("int")
    def answered(_):
        import shipped_toy

        return shipped_toy.answer()

    assert [row[0] for row in spark.range(2).select(answered("id")).collect()] == [42, 42]
    with pytest.raises(CommandError, match="The code of shipped_toy has changed"):
        _ship(spark, "shipped_toy", _zipped([("shipped_toy.py", b"")]))
