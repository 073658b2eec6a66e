"""A typical script: JSON config beside the model, a module beside the script, column names set on a bare frame."""

import io
import json
import os

import pandas as pd
from features import prepared


def model_fn(model_dir):
    with open(os.path.join(model_dir, "config.json")) as file:
        config = json.load(file)
    return config["weights"], config["columns"]


def input_fn(request_body, content_type):
    if content_type == "text/csv":
        return pd.read_csv(io.StringIO(request_body), header=None)
    if content_type == "application/jsonlines":
        lines = request_body.decode("utf-8").splitlines()
        return pd.DataFrame([json.loads(line)["features"] for line in lines])
    return pd.DataFrame(json.loads(request_body)["instances"])


def predict_fn(data, model):
    import late

    weights, columns = model
    data.columns = columns
    return late.score(prepared(data), weights)


def output_fn(prediction, accept):
    if accept == "text/csv":
        return "\n".join(str(score) for score in prediction)
    if accept == "application/jsonlines":
        return "\n".join(json.dumps({"score": score}) for score in prediction), accept
    return json.dumps({"predictions": [{"score": score, "label": int(score > 0.5)} for score in prediction]}).encode()
