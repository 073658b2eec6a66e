"""A golden analysis of mortgage applications, and documents with everything that is too long, too much or hostile."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

#: Names that some reader of a report would obey.
HOSTILE = (
    "<script>document.title='hacked'</script>",
    "\u202egnp.exe",
    "x" * 300,
    "$\\frac{1}{0}$ & $x_{",
    "*b* _i_ `c` [l](javascript:alert(1)) | # $x$ \\",
    '#image("/etc/passwd") ] #panic() [',
    "a\nb\tc\u2028d\x07",
    "{{ 7*7 }}{% raw %}",
    '"><img src=x onerror=alert(1)>',
    "שלום עולם",
)


def documents(folder=HERE / "loans"):
    return tuple(
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("analysis.json", "analysis_details.json")
    )


@pytest.fixture(scope="session")
def loans():
    """analysis.json and analysis_details.json of a run with all that a report can show."""
    return documents()


@pytest.fixture(scope="session")
def renamed():
    """The same documents, names of facets, groups, columns, features and outputs taken from a list in turn."""

    def call(names=HOSTILE):
        analysis, details = documents()
        known = [
            *details["dataset"]["features"], "race", "approve", "predicted_label", "white", "black", "hispanic",
            "label0", "low debt", "high debt", "debt",
        ]  # fmt: skip
        of = {name: f"{names[place % len(names)]}{place}" for place, name in enumerate(known)}
        return _renamed(analysis, of), _renamed(details, of)

    return call


def _renamed(value, of):
    if isinstance(value, dict):
        return {of.get(key, key): _renamed(inner, of) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, of) for inner in value]
    if isinstance(value, str):
        if value in of:
            return of[value]
        for name, other in of.items():
            value = value.replace(f"'{name}'", f"'{other}'")
    return value


@pytest.fixture(scope="session")
def large():
    """Documents of 200 features, a facet of 10,000 groups and one of 20, and three outputs."""
    return of_size(features=200, groups=10_000, curves=10)


@pytest.fixture(scope="session")
def three_outputs():
    """The like with few features and groups."""
    return of_size(features=6, groups=4, curves=2)


def of_size(features, groups, curves):
    analysis, details = documents()
    section = analysis["post_training_bias_metrics"]
    for stage in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        entry = analysis[stage]["facets"]["race"][0]
        analysis[stage]["facets"] = {
            "race": [{**entry, "value_or_threshold": f"group {place}"} for place in range(20)],
            "zip": [{**entry, "value_or_threshold": f"zip {place}"} for place in range(groups)],
        }
    assert section["facets"]["zip"]
    entry = details["bias"]["facets"]["race"][0]
    details["bias"]["facets"] = {
        "race": [{**entry, "value_or_threshold": f"group {place}"} for place in range(20)],
        "zip": [{**entry, "value_or_threshold": f"zip {place}"} for place in range(groups)],
    }
    shap = details["kernel_shap"]
    feature = shap["outputs"][0]["features"][0]
    rows = [{**feature, "name": f"feature {n}", "global_shap_value": 1 / (1 + n)} for n in range(features)]
    shap["outputs"] = [{**shap["outputs"][0], "label": f"class {d}", "features": rows} for d in range(3)]
    rng = np.random.default_rng(0)
    names = [f"feature {place}" for place in range(min(features, 20))]
    sampled = {
        "features": names,
        "values": rng.normal(size=(300, len(names))).tolist(),
        "ranks": rng.random((300, len(names))).tolist(),
    }
    shap["sampled_rows"]["outputs"] = [{"label": f"class {d}", **sampled} for d in range(3)]
    local = shap["local"][0]
    shap["local"] = [
        {**local, "row": f"record {n}", "output": f"class {d}", "values": rng.normal(size=features).tolist()}
        for d in range(3)
        for n in range(4)
    ]
    curve, besides = analysis["explanations"]["pdp"][0], details["partial_dependence"]["features"][0]
    points = len(curve["feature_values"])
    analysis["explanations"]["pdp"] = [
        {
            **curve,
            "feature_name": f"feature {place}",
            "model_predictions": rng.random((3, points)).tolist(),
            "label_headers": [f"class {d}" for d in range(3)],
        }
        for place in range(curves)
    ]
    details["partial_dependence"]["features"] = [
        {
            **besides,
            "feature_name": f"feature {place}",
            "standard_errors": rng.random((3, points)).tolist(),
            "individual_predictions": rng.random((3, 50, points)).tolist(),
        }
        for place in range(curves)
    ]
    return analysis, details
