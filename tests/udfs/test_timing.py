import pyarrow as pa
import pytest

from clarify_spark.udfs import timing
from clarify_spark.udfs.errors import ModelError, RecordError
from clarify_spark.udfs.predictors import PredictorSpec


@pytest.mark.parametrize("bad", [5, 6, 9])
def test_a_record_that_fails_in_a_probe_is_named_by_its_row_key(monkeypatch, bad):
    def predict(frame):
        values = frame["a"].tolist()
        if bad in values:
            raise RecordError("no luck", values.index(bad))

    monkeypatch.setattr(timing, "load_predictor", lambda spec: predict)
    spec = PredictorSpec("http", "http://models.example.com/", ("a",), ("integer",))
    batches = [pa.RecordBatch.from_pydict({"row_key": keys, "c0": keys}) for keys in ([5, 9], [6])]
    with pytest.raises(ModelError, match=rf"row key {bad} \(record {bad + 1} of file 1\): no luck"):
        list(timing.timed_batches(iter(batches), spec, ["c0"]))
