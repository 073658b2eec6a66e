"""Starts the measurement in a Python process of `make coverage`: measure.py has every environment import this."""

import os
import sys

# Spark's Python workers are left out: they are many and ended hard, and tests without Spark cover what they run.
if "DETECTION_DATA" in os.environ and not any("pyspark" in word for word in sys.orig_argv[:4]):
    sys.path.append(os.environ["DETECTION_LIBRARY"])
    import coverage

    sys.path.remove(os.environ["DETECTION_LIBRARY"])
    os.environ["COVERAGE_PROCESS_START"] = os.path.join(os.path.dirname(__file__), "coveragerc")
    coverage.process_startup()
    del os.environ["COVERAGE_PROCESS_START"]
