"""Several commands in one application of a cluster: their exit codes and what they say on stderr, as JSON in a file.

A wave is one block, so that which blocks are finished before another does not hang on the speed of the machine.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from clarify_spark.cli import main
from clarify_spark.spark.blocks import waves

waves.WAVE_BYTES = 0


def ended(words):
    """How a command ends."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(words)
    return {"code": code, "said": said.getvalue()}


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    commands = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps({name: ended(words) for name, words in commands.items()}))
    spark.stop()
