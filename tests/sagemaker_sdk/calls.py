"""Calls of a Clarify processor as users make them; ``c`` is a module of config classes, the SDK's or ours."""

HEADERS = ["approve", "black", "male", "obrat", "loanprc", "chist"]
DATA, OUT = "s3://bucket/loans", "s3://bucket/results"
ROW = [30.5, 0.8, 1]


def data(c, **more):
    return c.DataConfig(DATA, OUT, **{"label": "approve", "headers": HEADERS, **more})


def lines(c, **more):
    return data(c, dataset_type="application/jsonlines", features="features", label="label", **more)


def document(c, **more):
    return data(c, dataset_type="application/json", features="[*].features", label="[*].label", **more)


def bias(c):
    return c.BiasConfig([1], "black", [1])


def model(c, **more):
    return c.ModelConfig(**{"model_name": "loans", "instance_type": "ml.m5.xlarge", "instance_count": 1, **more})


def series(c, **more):
    kinds = c.TimeSeriesJSONDatasetFormat
    return c.TimeSeriesDataConfig(
        **{
            "target_time_series": "[*].target",
            "item_id": "[*].id",
            "timestamp": "[*].time",
            "dataset_format": kinds.ITEM_RECORDS,
            **more,
        }
    )


def series_data(c, **more):
    return c.DataConfig(DATA, OUT, dataset_type="application/json", time_series_data_config=series(c, **more))


def series_model(c):
    return model(
        c,
        content_type="application/json",
        accept_type="application/json",
        content_template='{"instances": $records}',
        record_template='{"start": $start_time, "target": $target_time_series}',
        time_series_model_config=c.TimeSeriesModelConfig("predictions[*].mean"),
    )


def shap(c, **more):
    return c.SHAPConfig(**{"baseline": [ROW], "num_samples": 15, "agg_method": "mean_abs", **more})


PRE = {
    "all": lambda c: {"data_config": data(c), "data_bias_config": bias(c)},
    "some methods": lambda c: {"data_config": data(c), "data_bias_config": bias(c), "methods": ["CI", "DPL"]},
    "positional": lambda c: (data(c), bias(c), ["KL"], False, False),
    "facets without values": lambda c: {
        "data_config": data(c),
        "data_bias_config": c.BiasConfig([1], ["black", "male"], group_name="chist"),
    },
    "values per facet": lambda c: {
        "data_config": data(c),
        "data_bias_config": c.BiasConfig([1, "yes"], ["black", 2], [[1], None], group_name="chist"),
    },
    "threshold of a continuous facet": lambda c: {
        "data_config": data(c, label=0),
        "data_bias_config": c.BiasConfig([0.5], 3, [36.5]),
    },
    "facets in a second file": lambda c: {
        "data_config": data(
            c,
            joinsource="id",
            facet_dataset_uri="s3://bucket/facets",
            facet_headers=["id", "race"],
            excluded_columns=[2],
        ),
        "data_bias_config": c.BiasConfig([1], "race", ["Black"]),
    },
    "segments": lambda c: {
        "data_config": data(
            c,
            segmentation_config=[
                c.SegmentationConfig("obrat", [["[0, 30]", "(40, 50]"]], "ratio", ["low", "rest"]),
                c.SegmentationConfig(5, [[1]]),
            ],
        ),
        "data_bias_config": bias(c),
    },
    "parquet": lambda c: {
        "data_config": c.DataConfig(DATA, OUT, label="approve", dataset_type="application/x-parquet"),
        "data_bias_config": bias(c),
    },
    "single values (refused by the schema)": lambda c: {
        "data_config": data(c),
        "data_bias_config": c.BiasConfig([1], ["black", "obrat"], [0, 40]),
    },
}

POST = {
    "model": lambda c: {
        "data_config": data(c),
        "data_bias_config": bias(c),
        "model_config": model(c, accept_type="text/csv", content_type="text/csv"),
        "model_predicted_label_config": c.ModelPredictedLabelConfig(probability_threshold=0.8),
    },
    "scores of classes": lambda c: {
        "data_config": data(c),
        "data_bias_config": bias(c),
        "model_config": model(c),
        "model_predicted_label_config": c.ModelPredictedLabelConfig(probability="score", label_headers=["no", "yes"]),
        "methods": ["DPPL", "DI", "FT"],
    },
    "endpoint": lambda c: {
        "data_config": data(c),
        "data_bias_config": bias(c),
        "model_config": c.ModelConfig(endpoint_name="live", target_model="m.tar.gz", custom_attributes="trace=1"),
        "model_predicted_label_config": c.ModelPredictedLabelConfig(label=0),
    },
    "label as a word": lambda c: {
        "data_config": lines(c),
        "data_bias_config": bias(c),
        "model_config": model(
            c,
            content_type="application/jsonlines",
            accept_type="application/jsonlines",
            content_template='{"features":$features}',
        ),
        "model_predicted_label_config": "predicted_label",
    },
    "predictions in the data": lambda c: {
        "data_config": data(c, predicted_label="guess", headers=[*HEADERS, "guess"]),
        "data_bias_config": bias(c),
    },
    "predictions in a second file": lambda c: {
        "data_config": data(
            c,
            joinsource=0,
            predicted_label_dataset_uri="s3://bucket/predictions.csv",
            predicted_label_headers=["id", "score"],
            predicted_label="score",
        ),
        "data_bias_config": bias(c),
        "model_predicted_label_config": c.ModelPredictedLabelConfig(label="x", probability_threshold=0.5),
    },
}

BIAS = {
    "all": lambda c: {"data_config": data(c), "bias_config": bias(c), "model_config": model(c)},
    "positional": lambda c: (
        data(c),
        bias(c),
        model(c),
        c.ModelPredictedLabelConfig(None, 0, 0.6),
        ["CI"],
        ["DI", "AD"],
    ),
    "hosting": lambda c: {
        "data_config": data(c, s3_analysis_config_output_path="s3://bucket/configs", s3_compression_type="Gzip"),
        "bias_config": bias(c),
        "model_config": model(c, accelerator_type="ml.eia2.medium", endpoint_name_prefix="tmp", target_model="one"),
    },
    "json": lambda c: {
        "data_config": document(c, predicted_label="[*].guess"),
        "bias_config": bias(c),
        "pre_training_methods": "all",
        "post_training_methods": ["DPPL"],
    },
    "before only": lambda c: {
        "data_config": data(c),
        "bias_config": bias(c),
        "model_config": model(c),
        "post_training_methods": None,
    },
    "integer threshold (refused by the schema)": lambda c: {
        "data_config": data(c),
        "bias_config": bias(c),
        "model_config": model(c),
        "model_predicted_label_config": c.ModelPredictedLabelConfig(probability_threshold=1),
    },
}

EXPLAIN = {
    "shap": lambda c: {"data_config": data(c), "model_config": model(c), "explainability_config": shap(c)},
    "shap by default": lambda c: {
        "data_config": data(c),
        "model_config": model(c),
        "explainability_config": c.SHAPConfig(),
        "model_scores": None,
    },
    "every key of shap": lambda c: {
        "data_config": data(c, excluded_columns=["black", "male"]),
        "model_config": model(c),
        "explainability_config": c.SHAPConfig(None, 100, "mean_sq", True, False, 7, 3, None, None, ["obrat", 4]),
        "model_scores": c.ModelPredictedLabelConfig(probability=0, label_headers=["approved"]),
    },
    "score by name": lambda c: {
        "data_config": lines(c),
        "model_config": model(c, content_type="application/jsonlines", content_template='{"features":$features}'),
        "explainability_config": shap(c, baseline=[{"features": ROW}]),
        "model_scores": "score",
    },
    "score by index": lambda c: (data(c), model(c), shap(c), 0),
    "json": lambda c: {
        "data_config": document(c),
        "model_config": model(
            c,
            content_type="application/json",
            accept_type="application/json",
            content_template='{"instances":$records}',
            record_template='{"features":$features}',
        ),
        "explainability_config": shap(c, baseline="s3://bucket/baseline.json"),
        "model_scores": c.ModelPredictedLabelConfig(probability="predictions[*].score"),
    },
    "pdp": lambda c: {
        "data_config": data(c),
        "model_config": model(c),
        "explainability_config": c.PDPConfig(["obrat", "chist"], 20),
    },
    "shap and pdp": lambda c: {
        "data_config": data(c),
        "model_config": model(c),
        "explainability_config": [c.PDPConfig(top_k_features=3), shap(c)],
    },
    "a list of one": lambda c: {
        "data_config": data(c),
        "model_config": c.ModelConfig(endpoint_name="live"),
        "explainability_config": [shap(c, num_samples=None)],
    },
    "text": lambda c: {
        "data_config": data(c),
        "model_config": model(c),
        "explainability_config": shap(c, baseline=[["<PAD>"]], text_config=c.TextConfig("sentence", "english")),
    },
    "images": lambda c: {
        "data_config": c.DataConfig(DATA, OUT, dataset_type="application/x-image"),
        "model_config": model(c, content_type="image/jpeg", accept_type="application/json"),
        "explainability_config": c.SHAPConfig(
            num_samples=50,
            image_config=c.ImageConfig("OBJECT_DETECTION", 10, "segmentation", 5, 3, 0.5, 1.0),
        ),
    },
    "time series": lambda c: {
        "data_config": series_data(c),
        "model_config": series_model(c),
        "explainability_config": c.AsymmetricShapleyValueConfig(),
    },
    "time series in fine grains": lambda c: {
        "data_config": series_data(c, related_time_series=["[*].r1", "[*].r2"], static_covariates=["[*].s"]),
        "model_config": series_model(c),
        "explainability_config": c.AsymmetricShapleyValueConfig(
            "chronological", "fine_grained", 9, {"target_time_series": "mean", "static_covariates": {"a": [1]}}
        ),
    },
}

BOTH = {
    "all": lambda c: {
        "data_config": data(c),
        "model_config": model(c),
        "explainability_config": shap(c),
        "bias_config": bias(c),
    },
    "positional": lambda c: (
        data(c), model(c), [shap(c), c.PDPConfig()], bias(c), ["CI"], ["DI"], c.ModelPredictedLabelConfig("label"),
    ),
    "pdp": lambda c: {
        "data_config": data(c, excluded_columns=["black"]),
        "model_config": model(c),
        "explainability_config": c.PDPConfig(features=[3], grid_resolution=5, top_k_features=1),
        "bias_config": c.BiasConfig([1], 1, group_name=5),
        "model_predicted_label_config": c.ModelPredictedLabelConfig(probability_threshold=0.25),
    },
    "explanations and bias of the data": lambda c: {
        "data_config": data(c),
        "model_config": model(c),
        "explainability_config": shap(c, seed=1),
        "bias_config": bias(c),
        "pre_training_methods": ["CI", "LP"],
        "post_training_methods": None,
        "model_predicted_label_config": "score",
    },
}  # fmt: skip

#: By method of the processor: calls by name, each a dict of named arguments or a tuple of positional ones.
CALLS = {
    "run_pre_training_bias": PRE,
    "run_post_training_bias": POST,
    "run_bias": BIAS,
    "run_explainability": EXPLAIN,
    "run_bias_and_explainability": BOTH,
}

#: Calls that the SDK refuses by an exception of its own or of Python.
REFUSED = {
    "run_pre_training_bias": {
        "no methods": lambda c: {"data_config": data(c), "data_bias_config": bias(c), "methods": []},
        "no facet": lambda c: {"data_config": data(c), "data_bias_config": c.BiasConfig([1], [])},
        "too few values": lambda c: {"data_config": data(c), "data_bias_config": c.BiasConfig([1], ["a", "b"], [[1]])},
        "a wrong format": lambda c: {"data_config": data(c, dataset_type="text/tsv"), "data_bias_config": bias(c)},
        "facets beside json lines": lambda c: {
            "data_config": lines(c, facet_dataset_uri="s3://bucket/facets"),
            "data_bias_config": bias(c),
        },
        "no features of json": lambda c: {
            "data_config": data(c, dataset_type="application/json"),
            "data_bias_config": bias(c),
        },
        "too many aliases": lambda c: {
            "data_config": data(
                c, segmentation_config=[c.SegmentationConfig("obrat", [["[0, 1]"]], display_aliases=["a", "b", "c"])]
            ),
            "data_bias_config": bias(c),
        },
        "a dict": lambda c: {"data_config": {"dataset_type": "text/csv"}, "data_bias_config": bias(c)},
    },
    "run_post_training_bias": {
        "no model": lambda c: {"data_config": data(c), "data_bias_config": bias(c)},
        "two models": lambda c: {
            "data_config": data(c),
            "data_bias_config": bias(c),
            "model_config": model(c, endpoint_name="live"),
        },
        "no placeholder": lambda c: {
            "data_config": data(c),
            "data_bias_config": bias(c),
            "model_config": model(c, content_type="application/jsonlines", content_template="{}"),
        },
        "no record template": lambda c: {
            "data_config": data(c),
            "data_bias_config": bias(c),
            "model_config": model(c, content_type="application/json", content_template="$records"),
        },
        "a wrong prefix": lambda c: {
            "data_config": data(c),
            "data_bias_config": bias(c),
            "model_config": model(c, endpoint_name_prefix="-tmp"),
        },
        "a threshold in words": lambda c: {
            "data_config": data(c),
            "data_bias_config": bias(c),
            "model_config": model(c),
            "model_predicted_label_config": c.ModelPredictedLabelConfig(probability_threshold="half"),
        },
    },
    "run_bias": {"no model": lambda c: {"data_config": data(c), "bias_config": bias(c)}},
    "run_explainability": {
        "no model": lambda c: {"data_config": data(c), "model_config": None, "explainability_config": shap(c)},
        "nothing": lambda c: {"data_config": data(c), "model_config": model(c), "explainability_config": []},
        "two of a kind": lambda c: {
            "data_config": data(c),
            "model_config": model(c),
            "explainability_config": [shap(c), shap(c)],
        },
        "pdp of nothing": lambda c: {
            "data_config": data(c),
            "model_config": model(c),
            "explainability_config": c.PDPConfig(),
        },
        "two baselines": lambda c: {
            "data_config": data(c),
            "model_config": model(c),
            "explainability_config": shap(c, num_clusters=3),
        },
        "features of texts": lambda c: {
            "data_config": data(c),
            "model_config": model(c),
            "explainability_config": shap(
                c, text_config=c.TextConfig("token", "german"), features_to_explain=["obrat"]
            ),
        },
        "time series without their data": lambda c: {
            "data_config": data(c),
            "model_config": series_model(c),
            "explainability_config": c.AsymmetricShapleyValueConfig(),
        },
        "shap of time series": lambda c: {
            "data_config": series_data(c),
            "model_config": series_model(c),
            "explainability_config": shap(c),
        },
        "samples of whole steps": lambda c: {
            "data_config": series_data(c),
            "model_config": series_model(c),
            "explainability_config": c.AsymmetricShapleyValueConfig(num_samples=5),
        },
        "covariates that there are not": lambda c: {
            "data_config": series_data(c),
            "model_config": series_model(c),
            "explainability_config": c.AsymmetricShapleyValueConfig(baseline={"static_covariates": {"a": [1]}}),
        },
    },
    "run_bias_and_explainability": {
        "time series": lambda c: {
            "data_config": series_data(c),
            "model_config": series_model(c),
            "explainability_config": c.AsymmetricShapleyValueConfig(),
            "bias_config": bias(c),
        },
    },
}


def made(call, classes, method):
    """What the method of a processor makes of a call with the objects of ``classes``."""
    arguments = call(classes)
    return method(*arguments) if isinstance(arguments, tuple) else method(**arguments)
