"""``python -m clarify_spark`` is the ``clarify-spark`` command."""

import sys

from clarify_spark.cli import main

sys.exit(main())
