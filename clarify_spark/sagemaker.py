"""The names of the SageMaker SDK's ``sagemaker.clarify``, on Spark: a processor, its config classes and its options."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clarify_spark.api.sagemaker.configs import (
        AsymmetricShapleyValueConfig,
        BiasConfig,
        DataConfig,
        DatasetType,
        ImageConfig,
        ModelConfig,
        ModelPredictedLabelConfig,
        PDPConfig,
        SegmentationConfig,
        SHAPConfig,
        TextConfig,
        TimeSeriesDataConfig,
        TimeSeriesJSONDatasetFormat,
        TimeSeriesModelConfig,
    )
    from clarify_spark.api.sagemaker.processor import SparkClarifyProcessor
    from clarify_spark.run.context import Options
    from clarify_spark.udfs.model_spec import Calling

__all__ = [
    "AsymmetricShapleyValueConfig",
    "BiasConfig",
    "Calling",
    "DataConfig",
    "DatasetType",
    "ImageConfig",
    "ModelConfig",
    "ModelPredictedLabelConfig",
    "Options",
    "PDPConfig",
    "SHAPConfig",
    "SegmentationConfig",
    "SparkClarifyProcessor",
    "TextConfig",
    "TimeSeriesDataConfig",
    "TimeSeriesJSONDatasetFormat",
    "TimeSeriesModelConfig",
]

#: The module of each name, imported on first use: config objects need no Spark.
_CONFIGS = "api.sagemaker.configs"
_MODULES = {"Calling": "udfs.model_spec", "Options": "run.context", "SparkClarifyProcessor": "api.sagemaker.processor"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The public name from its module."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"clarify_spark.{_MODULES.get(name, _CONFIGS)}"), name)


def __dir__() -> list[str]:
    """What the module offers."""
    return sorted(__all__)
