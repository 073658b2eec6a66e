"""The baseline of a run: from the config, from a file, or computed from the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as sf

from clarify_spark.config import AnalysisConfig, Shap
from clarify_spark.errors import ConfigError, DataError
from clarify_spark.explaining.baseline import PATH, Baseline, baseline_cautions, computed, equally_weighted, from_config
from clarify_spark.explaining.baseline_files import MOST_ROWS
from clarify_spark.explaining.baseline_rows import BaselineRows, Features, UnfitError
from clarify_spark.explaining.clustering import Attribute, sample_size
from clarify_spark.redaction import without_secrets
from clarify_spark.spark.collect import collected_columns
from clarify_spark.spark.data.datasets import Dataset, resolve_name
from clarify_spark.udfs.dotted_names import resolved

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def baseline_of(spark: SparkSession, config: AnalysisConfig, dataset: Dataset, seed: int) -> Baseline:
    """The baseline in the config or, if there is none, one computed from the data."""
    shap = config.methods.of(Shap)
    assert shap is not None
    if shap.baseline is None:
        found = computed_baseline(config, dataset, shap.num_clusters, seed)
    elif isinstance(shap.baseline, str):
        found = read_baseline(spark, config, dataset, shap.baseline)
    else:
        found = from_config(shap, baseline_features(config, dataset))
    said = baseline_cautions(len(found.rows), len(dataset.features), shap)
    return replace(found, notes=(*found.notes, *said))


def baseline_features(config: AnalysisConfig, dataset: Dataset) -> Features:
    """What a baseline of the data set must have, and the roles of its other columns."""
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
        path=config.features if config.format.by_jmespath else None,
        whole=config.format.document,
    )


# --- files ----------------------------------------------------------------------------------------------------------


def read_baseline(spark: SparkSession, config: AnalysisConfig, dataset: Dataset, uri: str) -> Baseline:
    """The rows at a URI in the format of the data set; each has the same weight."""
    features = baseline_features(config, dataset)
    with _as_baseline_errors(uri):
        if config.format.baseline is None:
            raise UnfitError(f"with {config.format.name} data a baseline is no URI; list its rows in the config")
        rows: BaselineRows = resolved(config.format.baseline)(spark, uri, features)
        if not rows.values:
            raise UnfitError("there are no rows; a baseline needs at least one")
        if len(rows.values) > MOST_ROWS:
            raise UnfitError(
                f"there are more than {MOST_ROWS:,} rows, and each multiplies the model records. Give fewer, or leave "
                "baseline out: then a few rows are chosen from the data"
            )
        return replace(equally_weighted(rows, features, "uri"), facts={"uri": without_secrets(uri)})


@contextmanager
def _as_baseline_errors(uri: str) -> Iterator[None]:
    """Report what is wrong with a baseline by its key and its URI."""
    try:
        yield
    except UnfitError as error:
        raise DataError("\n".join(f"{PATH}: {uri}: {message}" for message in error.messages)) from error
    except DataError as error:
        raise DataError(f"{PATH}: {error}") from error


# --- computed -------------------------------------------------------------------------------------------------------


def computed_baseline(config: AnalysisConfig, dataset: Dataset, clusters: int | None, seed: int) -> Baseline:
    """Real rows nearest to the centres of clusters of a sample: the rows whose keys have the smallest hashes."""
    features = baseline_features(config, dataset)
    ids = [dataset.column(name).id for name in features.names]
    order = sf.xxhash64(sf.col("row_key"), sf.lit(seed).cast("bigint"))
    size = sample_size(len(ids), clusters)
    sample = dataset.keyed.select("row_key", *ids).orderBy(order, "row_key").limit(size).orderBy("row_key")
    columns = collected_columns(sample)
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
