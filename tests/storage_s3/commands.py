"""Runs several commands in one session, as a process of its own: argv[1] is a JSON list of their words.

argv[2] is one of names of Hadoop's settings. Tells in lines of JSON how each command ended, and the settings' values.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from clarify_spark.cli import main
from clarify_spark.spark.session import session


def ran(words):
    """How a command ended and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    with session("local[2]") as started:
        for words in json.loads(sys.argv[1]):
            sys.stdout.write(json.dumps(ran(words)) + "\n")
            sys.stdout.flush()
        conf = started.spark.sparkContext._jsc.hadoopConfiguration()
        sys.stdout.write(json.dumps({name: conf.get(name) for name in json.loads(sys.argv[2])}))
