"""The ``methods`` section: which analyses to run, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from clarify_spark.config.analyses import ANALYSES
from clarify_spark.config.languages import LANGUAGES
from clarify_spark.config.metrics import Stage, names_of
from clarify_spark.config.values import (
    BY_JSON_KIND,
    EXTENSION,
    LOWERED,
    Decimal,
    Flag,
    Integer,
    NameOrIndex,
    ObjectBranch,
    Section,
    Text,
    TextBranch,
    Value,
    ValueOrNull,
    remade,
)
from clarify_spark.udfs.dotted_names import resolved
from clarify_spark.udfs.shap.engines import AUTO, ENGINES


def _not_flat(rows: object) -> object:
    if isinstance(rows, list) and rows and not any(isinstance(row, list | dict) for row in rows):
        raise PydanticCustomError("flat", "a row is a list")
    return rows


#: One problem for a row that is not in a list, rather than one for each of its values.
NOT_FLAT = BeforeValidator(_not_flat)

MetricNames = Annotated[TextBranch | Annotated[tuple[Text, ...], Tag("<list>")], BY_JSON_KIND]
BaselineRow = Annotated[Annotated[tuple[ValueOrNull, ...], Tag("<list>")] | ObjectBranch, BY_JSON_KIND]
Baseline = Annotated[
    TextBranch | Annotated[tuple[BaselineRow, ...], NOT_FLAT, Tag("<list>")] | ObjectBranch, BY_JSON_KIND
]


def _known_language(language: str) -> str:
    if language not in LANGUAGES:
        raise PydanticCustomError("language", "unknown language")
    return language


LANGUAGE_SCHEMA: dict[str, Any] = {"type": "string", "enum": list(LANGUAGES)}
Language = Annotated[Text, LOWERED, AfterValidator(_known_language), WithJsonSchema(LANGUAGE_SCHEMA)]


def _known_engine(name: str) -> str:
    if name != AUTO and name not in ENGINES:
        raise PydanticCustomError("engine", "unknown engine")
    return name


def _engine_words(node: dict[str, Any]) -> None:
    """Puts the current words of ENGINES into the schema of the key."""
    meanings = (f"{key}: {engine.meaning}; " for key, engine in ENGINES.items())
    description = f"{''.join(meanings)}{AUTO}: whichever needs fewer model records"
    node.update(EXTENSION, enum=[AUTO, *ENGINES], description=description)


def _naming(stage: Stage) -> Callable[[dict[str, Any]], None]:
    """A function that describes a key of metric names by those in METRICS when the schema is made."""

    def described(schema: dict[str, Any]) -> None:
        schema["description"] = f'"all", or a list of short names: {", ".join(names_of(stage))}'

    return described


class PreTrainingBias(Section):
    """Bias of the data itself: labels against facets."""

    methods: MetricNames = Field(json_schema_extra=_naming("pre_training"))


class PostTrainingBias(Section):
    """Bias of the predictions against labels and facets."""

    methods: MetricNames = Field(json_schema_extra=_naming("post_training"))


class TextConfig(Section):
    """How free text is split into units that are explained one by one."""

    granularity: Annotated[Literal["token", "sentence", "paragraph"], LOWERED] = Field(description="The unit of text")
    language: Language = Field(description="The language of the text: its English name or its ISO code")
    max_top_tokens: Integer = Field(50, description="How many of the most important tokens are listed globally")


class ImageDebug(Section):
    """Which images and classes to analyse."""

    image_names: tuple[Text, ...] | None = Field(None, description="Only these images")
    class_ids: tuple[Integer, ...] | None = Field(None, description="Only these classes")
    sample_from: Integer | None = Field(None, description="First image by position")
    sample_to: Integer | None = Field(None, description="Last image by position")


class ImageConfig(Section):
    """How images are split into segments that are explained one by one."""

    model_type: Text | None = Field(None, description="IMAGE_CLASSIFICATION or OBJECT_DETECTION")
    num_segments: Integer = Field(20, description="About how many segments an image is cut into")
    segment_compactness: Integer = Field(5, description="SLIC compactness: larger makes segments squarer")
    feature_extraction_method: Text = Field("segmentation", description="How features are taken from an image")
    max_objects: Integer = Field(3, description="Object detection: how many objects are explained")
    iou_threshold: Decimal = Field(0.5, description="Object detection: overlap that makes two boxes one object")
    context: Decimal = Field(1.0, description="Object detection: how much around an object belongs to its context")
    debug: ImageDebug | None = Field(None, description="Restricts the run to some images or classes")


class Shap(Section):
    """Kernel SHAP: how much each feature moves a prediction."""

    baseline: Baseline | None = Field(None, description="Rows to compare with, a URI of such rows, or a JSON object")
    num_clusters: Integer | None = Field(None, description="Number of rows of a computed baseline; not with baseline")
    num_samples: Integer | None = Field(None, description="Coalitions per row; by default min(2M + 2048, 2^M - 2)")
    agg_method: Annotated[Literal["mean_abs", "median", "mean_sq"], LOWERED] = Field(
        "mean_abs", description="How local values become a global one"
    )
    use_logit: Flag = Field(False, description="Explain log-odds instead of probabilities")
    save_local_shap_values: Flag = Field(False, description="Write the values of every row")
    seed: Integer | None = Field(None, description="Seed of the coalition sample")
    features_to_explain: tuple[NameOrIndex, ...] | None = Field(None, description="Only these features")
    text_config: TextConfig | None = Field(None, description="Explain text columns by their units")
    image_config: ImageConfig | None = Field(None, description="Explain images by their segments")
    engine: Annotated[Text, LOWERED, AfterValidator(_known_engine)] = Field(AUTO, json_schema_extra=_engine_words)
    estimator: Annotated[Literal["blup", "wls"], LOWERED] = Field(
        "blup",
        description="blup: best linear unbiased prediction; wls: the classical weighted least squares",
        json_schema_extra=EXTENSION,
    )
    standard_errors: Flag = Field(
        True, description="Report how far sampled values may be off", json_schema_extra=EXTENSION
    )


class Pdp(Section):
    """Partial dependence: the mean prediction over the range of a feature."""

    grid_resolution: Integer = Field(description="Number of buckets of a numeric feature")
    features: tuple[NameOrIndex, ...] | None = Field(None, description="The features; needed without shap")
    top_k_features: Integer = Field(10, description="With shap and without features: how many of the most important")


class Report(Section):
    """The report files."""

    name: Text = Field(description="File name of the report, without suffix")
    title: Text = Field("SageMaker AI Analysis Report", description="Title of the report")


class SeriesBaseline(Section):
    """What represents "no information" in each kind of series."""

    target_time_series: Annotated[Literal["zero", "mean"], LOWERED] = Field(
        "zero", description="Baseline of the target series"
    )
    related_time_series: Annotated[Literal["zero", "mean"], LOWERED] | None = Field(
        None, description="Baseline of the related series"
    )
    static_covariates: dict[str, tuple[Value, ...]] | None = Field(
        None, description="For each item id one value per static covariate"
    )


SeriesBaselineOrUri = Annotated[TextBranch | Annotated[SeriesBaseline, Tag("<object>")], BY_JSON_KIND]


class AsymmetricShapleyValue(Section):
    """Asymmetric Shapley values of time series."""

    direction: Annotated[Literal["chronological", "anti_chronological", "bidirectional"], LOWERED] = Field(
        description="In which order time steps enter"
    )
    granularity: Annotated[Literal["timewise", "fine_grained"], LOWERED] = Field(
        description="Explain time steps, or each feature at each time step"
    )
    num_samples: Integer | None = Field(None, description="Coalitions per step; fine_grained needs it")
    baseline: SeriesBaselineOrUri | None = Field(None, description="Baseline values, or a URI of them")


Asked = TypeVar("Asked", bound=Section)


class Methods(Section):
    """The analyses to run."""

    def of(self, section: type[Asked]) -> Asked | None:
        """The section of this class, None if it was not requested."""
        members = (getattr(self, name) for name in type(self).model_fields)
        return next((member for member in members if isinstance(member, section)), None)

    @property
    def seed(self) -> int | None:
        """The first seed that a section gives."""
        members = (getattr(self, name) for name in type(self).model_fields)
        return next((seed for member in members if (seed := getattr(member, "seed", None)) is not None), None)


def methods_model() -> type[Methods]:
    """``methods`` with a key for every method in ANALYSES, and ``report`` before the methods of later releases."""
    fields: dict[str, Any] = {}
    for row in sorted(ANALYSES.values(), key=lambda row: row.steps is None):
        if row.steps is None:
            fields.setdefault("report", (Report | None, Field(None, description="Report files")))
        for method in row.methods:
            fields[method.key] = (resolved(method.section) | None, Field(None, description=method.description))
    fields.setdefault("report", (Report | None, Field(None, description="Report files")))
    return remade(Methods, fields)
