"""The baseline of a run: from the config, from a file, or computed from the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as sf

from clarify_spark.config import AnalysisConfig, Shap
from clarify_spark.errors import ConfigError, DataError
from clarify_spark.explaining.baseline import PATH, Baseline, cautions, computed, equally_weighted, from_config
from clarify_spark.explaining.baseline_files import (
    MOST_BYTES,
    MOST_ROWS,
    rows_of_csv,
    rows_of_json_documents,
    rows_of_json_lines,
    rows_of_table,
)
from clarify_spark.explaining.baseline_rows import Features, Rows, UnfitError
from clarify_spark.explaining.clustering import Attribute, sample_size
from clarify_spark.redaction import without_secrets
from clarify_spark.spark.collect import columns_of
from clarify_spark.spark.data.datasets import Dataset, resolve_name
from clarify_spark.spark.data.formats import csv, json_records, parquet
from clarify_spark.spark.data.formats.listing import list_files
from clarify_spark.spark.data.formats.roles import JSON_TYPES
from clarify_spark.spark.files.raw_text import decoded, raw_value
from clarify_spark.spark.files.read_failures import reading

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def baseline_of(spark: SparkSession, config: AnalysisConfig, dataset: Dataset, seed: int) -> Baseline:
    """The baseline that the config gives or, when it gives none, one computed from the data."""
    shap = config.methods.of(Shap)
    assert shap is not None
    if shap.baseline is None:
        found = computed_baseline(config, dataset, shap.num_clusters, seed)
    elif isinstance(shap.baseline, str):
        found = read_baseline(spark, config, dataset, shap.baseline)
    else:
        found = from_config(shap, features_of(config, dataset))
    said = cautions(len(found.rows), len(dataset.features), shap)
    return replace(found, notes=(*found.notes, *said))


def features_of(config: AnalysisConfig, dataset: Dataset) -> Features:
    """What a baseline of the data set must have, and what its other columns are for."""
    roles = {
        dataset.join: "the join column",
        dataset.predicted_label: "the predicted label",
        dataset.label: "the label",
    }
    others = [name for name in dataset.names if name not in dataset.features]
    return Features(
        names=dataset.features,
        kinds=tuple(dataset.column(name).kind for name in dataset.features),
        others=tuple((name, roles.get(name, "excluded or of another data set")) for name in others),
        path=config.features if config.dataset_type in JSON_TYPES else None,
        whole=config.dataset_type == "application/json",
    )


# --- files ----------------------------------------------------------------------------------------------------------


def read_baseline(spark: SparkSession, config: AnalysisConfig, dataset: Dataset, uri: str) -> Baseline:
    """The rows at a URI in the format of the data set; each has the same weight."""
    features = features_of(config, dataset)
    with _told(uri):
        rows = _READERS[config.dataset_type](spark, uri, features)
        if not rows.values:
            raise UnfitError("there is no row; a baseline needs at least one")
        if len(rows.values) > MOST_ROWS:
            raise UnfitError(
                f"there are more than {MOST_ROWS:,} rows, and each multiplies the model records. Give fewer, or leave "
                "baseline out: then a few rows are chosen from the data"
            )
        return replace(equally_weighted(rows, features, "uri"), facts={"uri": without_secrets(uri)})


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Tell what is wrong with a baseline by its key and its URI."""
    try:
        yield
    except UnfitError as error:
        raise DataError("\n".join(f"{PATH}: {uri}: {message}" for message in error.messages)) from error
    except DataError as error:
        raise DataError(f"{PATH}: {error}") from error


def _read_csv(spark: SparkSession, uri: str, features: Features) -> Rows:
    return rows_of_csv(_texts(spark, uri, csv.SUFFIXES), features)


def _read_json_lines(spark: SparkSession, uri: str, features: Features) -> Rows:
    return rows_of_json_lines(_texts(spark, uri, json_records.LINES_SUFFIXES), features)


def _read_json_documents(spark: SparkSession, uri: str, features: Features) -> Rows:
    return rows_of_json_documents(_texts(spark, uri, json_records.DOCUMENT_SUFFIXES), features)


def _read_parquet(spark: SparkSession, uri: str, features: Features) -> Rows:
    others = [name for name, _ in features.others]
    table = parquet.read_parquet(spark, uri, parquet.Wishes(None, others))
    ids = [column.id for column in table.columns]
    with reading(uri):
        some = table.keyed.select("row_key", *ids).orderBy("row_key").limit(MOST_ROWS + 1)
        columns = columns_of(some)
    return rows_of_table(table.names, list(zip(*(columns[id_] for id_ in ids), strict=True)), features)


def _texts(spark: SparkSession, uri: str, suffixes: tuple[str, ...]) -> list[str]:
    """The whole texts of the files, in the order of their URIs."""
    listing = list_files(spark, uri, suffixes)
    size = sum(file.size for file in listing.files)
    if size > MOST_BYTES:
        raise UnfitError(f"{size:,} bytes are too many for a baseline; allowed: {MOST_BYTES:,}")
    with reading(uri):
        whole = spark.read.text(listing.patterns, wholetext=True)
        rows = whole.select("_metadata.file_path", raw_value()).collect()
    found = {row[0]: decoded(row[1]) for row in rows}
    return [found.get(key, "").removeprefix("\ufeff") for key in listing.keys]


_READERS: Mapping[str, Callable[[SparkSession, str, Features], Rows]] = {
    "text/csv": _read_csv,
    "application/jsonlines": _read_json_lines,
    "application/json": _read_json_documents,
    "application/x-parquet": _read_parquet,
}


# --- computed -------------------------------------------------------------------------------------------------------


def computed_baseline(config: AnalysisConfig, dataset: Dataset, clusters: int | None, seed: int) -> Baseline:
    """Real rows nearest to the centres of clusters of a sample: the rows whose keys have the smallest hashes."""
    features = features_of(config, dataset)
    ids = [dataset.column(name).id for name in features.names]
    order = sf.xxhash64(sf.col("row_key"), sf.lit(seed).cast("bigint"))
    size = sample_size(len(ids), clusters)
    sample = dataset.keyed.select("row_key", *ids).orderBy(order, "row_key").limit(size).orderBy("row_key")
    columns = columns_of(sample)
    if not columns["row_key"]:
        raise DataError("the data set has no rows, so no baseline can be computed")
    declared = _declared_categorical(config, dataset)
    attributes = [
        Attribute(columns[id_], kind not in ("integer", "float") or name in declared)
        for id_, name, kind in zip(ids, features.names, features.kinds, strict=True)
    ]
    return computed(attributes, features, clusters, seed)


def _declared_categorical(config: AnalysisConfig, dataset: Dataset) -> frozenset[str]:
    """The facets that the config declares to be categorical."""
    found = set()
    for index, facet in enumerate(config.facet or ()):
        if facet.type == "categorical":
            try:
                found.add(resolve_name(facet.name_or_index, dataset.facet_names, f"facet[{index}].name_or_index"))
            except ConfigError:
                continue
    return frozenset(found)
