"""The kind of predicted labels is that of all of them, however they came in responses."""

import json
import textwrap

import pytest

from clarify_spark.config import load
from clarify_spark.errors import ModelError
from clarify_spark.spark.data.datasets import read
from clarify_spark.spark.scoring import predictor_spec, with_model_predictions

ROWS = 5000
#: Labels that look like numbers but for those of the last rows, which another block holds.
LABELS = "['1' if x < 2000 else '2' if x < 4900 else LAST for x in data[:, 0]]"


def folder(path, last, writes):
    """A model folder that answers with labels in a format."""
    script = f"""
    import json

    def model_fn(folder):
        return None

    def predict_fn(data, model):
        return {LABELS.replace("LAST", repr(last))}

    def output_fn(labels, accept):
        return {writes}
    """
    path.mkdir()
    (path / "inference.py").write_text(textwrap.dedent(script))
    return str(path)


@pytest.fixture
def predicted(spark, tmp_path):
    """The kind and the distinct values of the labels that a folder predicts for numbered rows."""

    def call(**predictor):
        (tmp_path / "data.csv").write_text("x,y\n" + "".join(f"{row},0\n" for row in range(ROWS)))
        bias = {"post_training_bias": {"methods": "all"}}
        text = json.dumps({"dataset_type": "text/csv", "label": "y", "methods": bias, "predictor": predictor})
        config = load(text).config
        dataset = read(spark, config, str(tmp_path / "data.csv"))
        found = with_model_predictions(dataset, predictor_spec(config, config.predictor, dataset))
        column = found.column(found.predicted_label)
        values = {row[0] for row in found.frame.select(column.id).distinct().collect()}
        found.release()
        return column.kind, values

    return call


def test_labels_of_csv_are_numbers_only_if_all_of_them_are(predicted, tmp_path):
    lines = "'\\n'.join(labels)"
    numbers = folder(tmp_path / "numbers", "3", lines)
    texts = folder(tmp_path / "texts", "3+", lines)
    assert predicted(model_uri=numbers, label=0) == ("integer", {1, 2, 3})
    assert predicted(model_uri=texts, label=0) == ("string", {"1", "2", "3+"})


def test_labels_of_json_have_types_and_must_be_of_one(predicted, tmp_path):
    lines = "'\\n'.join(json.dumps({'label': int(one) if one.isdigit() else one}) for one in labels)"
    mixed = folder(tmp_path / "mixed", "3+", lines)
    with pytest.raises(ModelError, match=r"several types \(integer, string\)"):
        predicted(model_uri=mixed, accept_type="application/jsonlines", label="label")
