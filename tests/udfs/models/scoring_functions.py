"""Functions that a user might name as python:package.module:function."""

import pandas as pd
import threadpoolctl

seen = []


def linear(features):
    return 0.1 * features["age"] - 0.5


def record(features):
    seen.append(features)
    return [1] * len(features)


def texts(features):
    return ["dog" if age > 5 else "cat" for age in features["age"]]


def booleans(features):
    return features["age"] > 5


def both(features):
    return pd.DataFrame({"label": ["yes"] * len(features), "score": features["age"] / 10})


def three(features):
    age = features["age"].to_numpy()
    return [[0.1, 0.1 + year / 100, 0.12] for year in age]


def broken(features):
    raise ValueError("no weather today")


def quits(features):
    raise SystemExit(3)


def too_few(features):
    return [0.5]


def threads(features):
    return [max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())]


def dates(features):
    return [pd.Timestamp("2026-01-01")] * len(features)


NOT_A_FUNCTION = 3
