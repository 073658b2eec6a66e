"""The driver of test_model_delivery, in a process of its own: delivers models and tells as JSON what executors say."""

import json
import os
import signal
import sys
from pathlib import Path

from clarify_spark.errors import ClarifyError
from clarify_spark.spark.delivery.models import delivered, model_fingerprint
from clarify_spark.spark.failures import user_errors
from clarify_spark.spark.session import is_connect, session
from clarify_spark.udfs.predictors import PredictorSpec, format_of

TASKS = 8


def answers(spark, spec):
    """What each task says: worker, its parent's parent (an executor's JVM), folder, score, and files that came."""

    def ask(batches):
        import pyarrow as pa
        from pyspark import SparkFiles

        from clarify_spark.udfs.predictors import load_predictor

        for batch in batches:
            predict = load_predictor(spec)
            score = float(predict(batch.to_pandas()).scores[0, -1])
            parent = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]
            files = sorted(name for name in os.listdir(SparkFiles.getRootDirectory()) if "clarify" in name)
            told = {"pid": os.getpid(), "jvm": int(parent), "folder": os.getcwd(), "score": score, "files": files}
            yield pa.RecordBatch.from_pydict({"told": [json.dumps(told)]})

    rows = spark.range(0, TASKS, 1, TASKS).selectExpr("id * 0 + 50 as age", "1.0D as debt")
    with user_errors():
        return [json.loads(row["told"]) for row in rows.mapInArrow(ask, "told string").collect()]


def tried(started, uri, jobs=2, **changes):
    """The delivered spec, the answers of so many jobs, or the error."""
    spec = PredictorSpec(format_of(uri), uri, ("age", "debt"), ("integer", "float"), **changes)
    try:
        with delivered(started, spec, None) as there:
            told = [answers(started.spark, there) for _ in range(jobs)]
        facts = {"uri": there.uri, "format": there.format, "name": there.name, "is": model_fingerprint(there)}
        return {**facts, "answers": [answer for job in told for answer in job]}
    except ClarifyError as error:
        return {"error": str(error), "code": error.exit_code}


def with_another_executor(started, uri, before):
    """What is told once an executor was killed and another one has come in its place."""
    known = {answer["jvm"] for answer in before}
    os.kill(before[0]["jvm"], signal.SIGKILL)
    while True:
        later = tried(started, uri, allow_pickle=True)
        if {answer["jvm"] for answer in later["answers"]} - known:
            return later


def main(models, connect):
    """Deliver each model, and at last lose an executor when all contexts are over."""
    with session(None if connect else "local-cluster[2,1,1024]") as started:
        assert is_connect(started.spark) == connect
        assert not started.local
        found = {uri: tried(started, uri, allow_pickle=True) for uri in models}
        found["pickle"] = tried(started, models[0])
        if not connect:
            found["later"] = with_another_executor(started, models[0], found[models[0]]["answers"])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[2:], sys.argv[1] == "connect")
