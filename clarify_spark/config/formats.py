"""The formats of data sets, a row each: plain facts, and dotted names of the functions that read them.

Rules, readers, the Python API, ``clarify-spark config`` and the SDK's classes loop over this table. A new format is a
row and a module of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

CSV, JSON_LINES, JSON = "text/csv", "application/jsonlines", "application/json"
PARQUET = "application/x-parquet"
#: Keys of the config about data sets that are joined to the main one.
SECOND_DATA_SETS = ("facet_dataset_uri", "facet_headers", "predicted_label_dataset_uri", "predicted_label_headers")
_OF_ROWS = (CSV, JSON_LINES, JSON)
_OF_IMAGES = ("image/jpeg", "image/png", "application/x-npy")


@dataclass(frozen=True)
class DatasetFormat:
    """What the format of a data set determines.

    ``reader`` names a function of ``(spark, config, uri)`` that returns a LoadedTable of ``spark.data.formats.table``,
    and ``baseline`` one of ``(spark, uri, features)`` that returns BaselineRows of ``explaining.baseline_rows``; a
    format without a reader comes in a later release.
    ``name``: the format in words. ``word``: its name in ``clarify-spark config``. ``recognised``: endings, in lower
    case, by which the Python API recognises it. ``listed``: endings of the files to read in a mixed folder.
    ``refused``: keys of the config that cannot be combined with it.
    ``by_jmespath``: whether JMESPaths address features and labels; ``document``: whether they address a whole file.
    ``uses_features``: whether the key ``features`` applies.
    ``requests``: what ``content_type`` may be; ``names_requests``: whether it has to be given.
    """

    name: str
    reader: str | None = None
    baseline: str | None = None
    word: str | None = None
    recognised: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    refused: tuple[str, ...] = SECOND_DATA_SETS
    by_jmespath: bool = False
    document: bool = False
    uses_features: bool = False
    time_series: bool = False
    images: bool = False
    requests: tuple[str, ...] = _OF_ROWS
    names_requests: bool = False
    in_sdk: bool = True


_FORMATS = "clarify_spark.spark.data.formats"

#: By MIME type, which is the ``dataset_type`` of a config.
DATASET_FORMATS: dict[str, DatasetFormat] = {
    CSV: DatasetFormat(
        name="CSV",
        reader=f"{_FORMATS}.csv:table_of",
        baseline=f"{_FORMATS}.csv:baseline_of",
        word="csv",
        recognised=(".csv", ".csv.gz"),
        listed=(".csv",),
        refused=(),
    ),
    JSON_LINES: DatasetFormat(
        name="JSON Lines",
        reader=f"{_FORMATS}.json_records:table_of_lines",
        baseline=f"{_FORMATS}.json_records:baseline_of_lines",
        word="jsonlines",
        recognised=(".jsonl", ".jsonl.gz"),
        listed=(".jsonl", ".json", ".jsonlines", ".ndjson"),
        by_jmespath=True,
        uses_features=True,
    ),
    JSON: DatasetFormat(
        name="JSON",
        reader=f"{_FORMATS}.json_records:table_of_documents",
        baseline=f"{_FORMATS}.json_records:baseline_of_documents",
        word="json",
        recognised=(".json",),
        listed=(".json",),
        by_jmespath=True,
        document=True,
        uses_features=True,
        time_series=True,
    ),
    PARQUET: DatasetFormat(
        name="Parquet",
        reader=f"{_FORMATS}.parquet:table_of",
        baseline=f"{_FORMATS}.parquet:baseline_of",
        word="parquet",
        recognised=(".parquet", ".parq", ".pq"),
        listed=(".parquet", ".parq", ".pq"),
        names_requests=True,
    ),
    "application/x-image": DatasetFormat(
        name="image",
        refused=(*SECOND_DATA_SETS, "predicted_label", "excluded_columns"),
        uses_features=True,
        images=True,
        requests=_OF_IMAGES,
    ),
    "application/sagemakercapturejson": DatasetFormat(
        name="capture",
        uses_features=True,
        in_sdk=False,
    ),
}


def readable() -> tuple[str, ...]:
    """The dataset types that this version reads."""
    return tuple(kind for kind, row in DATASET_FORMATS.items() if row.reader is not None)
