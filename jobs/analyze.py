"""``spark-submit jobs/analyze.py --config … --data … --output …``: ``clarify-spark analyze`` as a Spark job."""

import sys

from clarify_spark.cli import main

sys.exit(main(["analyze", *sys.argv[1:]]))
