"""A processor with the methods of the SageMaker SDK's: the same calls, composed to the same config, run on Spark."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clarify_spark.api.sagemaker.composing import Call, Config, Methods, composed, described, json_value
from clarify_spark.errors import ArgumentError, ModelError
from clarify_spark.spark.session import lasting_session, require_pyspark
from clarify_spark.udfs.model_formats import SPEAKING_BYTES, format_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from clarify_spark.api.results import Results
    from clarify_spark.run.context import Options

logger = logging.getLogger("clarify_spark")

CONFIG = "analysis_config.json"
#: What applies instead of each argument that has no effect here; reported as warnings.
TOLD = {
    "volume_kms_key": "encryption is that of the cluster",
    "output_kms_key": "results are encrypted by the file system of the output",
    "kms_key": "the config is encrypted by the file system of the output",
    "network_config": "the network is that of the cluster",
    "max_runtime_in_seconds": "a run has no time limit here",
    "env": "environment variables are those of the cluster",
    "experiment_config": "no experiment is recorded",
}
#: Arguments about machines and job names, whose effect nobody misses.
MACHINES = (
    "role", "instance_type", "volume_size_in_gb", "sagemaker_session", "tags", "job_name_prefix",
    "version", "skip_early_validation", "job_name",
)  # fmt: skip
#: Keys of a predictor that state where a SageMaker model is and how it is hosted.
HOSTING = (
    "model_name", "instance_type", "initial_instance_count", "accelerator_type", "endpoint_name_prefix",
    "endpoint_name", "target_model", "custom_attributes",
)  # fmt: skip
#: Keys of a predictor about requests and responses, which a model that is called with rows does not have.
SPOKEN = ("content_type", "accept_type", "content_template", "record_template", "label", "probability")


class SparkClarifyProcessor:
    """Runs bias metrics and explanations on Spark, with the calls of ``sagemaker.clarify.SageMakerClarifyProcessor``.

    Arguments up to ``skip_early_validation`` are the SDK's; they are accepted, and those that have no effect here are
    reported in the log. Ours, by keyword: ``spark``, the session to work in (else the active one, else a local one that
    ends with this process); ``models``, by model_name or endpoint_name the URI of a model that is used instead, or
    an object of keys of ``predictor``; ``options``, what the command line adds to a config; ``master``, for a session
    started here.
    """

    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        volume_size_in_gb: int = 30,
        volume_kms_key: str | None = None,
        output_kms_key: str | None = None,
        max_runtime_in_seconds: int | None = None,
        sagemaker_session: Any = None,
        env: Mapping[str, str] | None = None,
        tags: Any = None,
        network_config: Any = None,
        job_name_prefix: str | None = None,
        version: str | None = None,
        skip_early_validation: bool = False,
        *,
        spark: SparkSession | None = None,
        models: Mapping[str, str | Mapping[str, Any]] | None = None,
        options: Options | None = None,
        master: str | None = None,
    ) -> None:
        """Nothing is started or read yet."""
        self._spark, self._master, self._options = spark, master, options
        self._models = _checked_models(models or {})
        self._single_file = instance_count == 1
        self.last_analysis_config: Config | None = None
        _tell(
            role=role,
            instance_type=instance_type,
            volume_size_in_gb=None if volume_size_in_gb == 30 else volume_size_in_gb,
            volume_kms_key=volume_kms_key,
            output_kms_key=output_kms_key,
            max_runtime_in_seconds=max_runtime_in_seconds,
            sagemaker_session=sagemaker_session,
            env=env,
            tags=tags,
            network_config=network_config,
            job_name_prefix=job_name_prefix,
            version=version,
            skip_early_validation=skip_early_validation or None,
        )

    def run_pre_training_bias(
        self,
        data_config: Any,
        data_bias_config: Any,
        methods: Methods = "all",
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        kms_key: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
    ) -> Results:
        """The bias metrics of the data."""
        call = Call(data_config, data_bias_config, methods={"pre_training_bias": methods})
        return self._run(call, wait, logs, job_name, kms_key, experiment_config)

    def run_post_training_bias(
        self,
        data_config: Any,
        data_bias_config: Any,
        model_config: Any = None,
        model_predicted_label_config: Any = None,
        methods: Methods = "all",
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        kms_key: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
    ) -> Results:
        """The bias metrics of predictions, those of a model or those in the data."""
        call = Call(
            data_config,
            data_bias_config,
            model_config,
            model_predicted_label_config,
            methods={"post_training_bias": methods},
        )
        return self._run(call, wait, logs, job_name, kms_key, experiment_config)

    def run_bias(
        self,
        data_config: Any,
        bias_config: Any,
        model_config: Any = None,
        model_predicted_label_config: Any = None,
        pre_training_methods: Methods = "all",
        post_training_methods: Methods = "all",
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        kms_key: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
    ) -> Results:
        """The bias metrics of data and predictions."""
        call = Call(
            data_config,
            bias_config,
            model_config,
            model_predicted_label_config,
            methods={"pre_training_bias": pre_training_methods, "post_training_bias": post_training_methods},
        )
        return self._run(call, wait, logs, job_name, kms_key, experiment_config)

    def run_explainability(
        self,
        data_config: Any,
        model_config: Any,
        explainability_config: Any,
        model_scores: Any = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        kms_key: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
    ) -> Results:
        """Kernel SHAP, partial dependence or both; ``model_scores``: where a response has the score."""
        if explainability_config is None:
            raise ArgumentError("explainability_config: found None; allowed: a SHAPConfig, a PDPConfig or a list.")
        call = Call(data_config, None, model_config, model_scores, explainability_config)
        return self._run(call, wait, logs, job_name, kms_key, experiment_config)

    def run_bias_and_explainability(
        self,
        data_config: Any,
        model_config: Any,
        explainability_config: Any,
        bias_config: Any,
        pre_training_methods: Methods = "all",
        post_training_methods: Methods = "all",
        model_predicted_label_config: Any = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
        kms_key: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
    ) -> Results:
        """All of it in one run."""
        call = Call(
            data_config,
            bias_config,
            model_config,
            model_predicted_label_config,
            explainability_config,
            methods={"pre_training_bias": pre_training_methods, "post_training_bias": post_training_methods},
        )
        return self._run(call, wait, logs, job_name, kms_key, experiment_config)

    def _run(
        self,
        call: Call,
        wait: bool,
        logs: bool,
        job_name: str | None,
        kms_key: str | None,
        experiment_config: Mapping[str, str] | None,
    ) -> Results:
        """Compose, check, run, and return what is in the output folder."""
        require_pyspark()
        from clarify_spark.api.results import Results
        from clarify_spark.run.checks import check_model, runnable
        from clarify_spark.run.context import Options, RunLocations
        from clarify_spark.run.pipeline import run
        from clarify_spark.spark.files.output import Output
        from clarify_spark.spark.progress import Progress

        _tell(job_name=job_name, kms_key=kms_key, experiment_config=experiment_config)
        if not wait:
            logger.warning("wait=False is not supported: the call returns when the run is over.")
        self.last_analysis_config = composed(call)
        data, output, config_folder = _locations(call.data)
        config = with_local_model(self.last_analysis_config, self._models)
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        options = self._options or Options(single_file=self._single_file)
        check_model(runnable(text, strict=options.strict).config, options)
        session = lasting_session(self._spark, self._master)
        folder = Output(config_folder or output, session.spark)
        folder.prepare()
        folder.write(CONFIG, text)
        progress = Progress(session.spark, None if logs else io.StringIO())
        result = run(session, text, RunLocations(output, data), options, progress)
        for warning in result.warnings if logs else ():
            logger.warning("%s", warning)
        return Results(output, session.spark, result.lines, result.warnings)


def with_local_model(config: Config, models: Mapping[str, str | Mapping[str, Any]]) -> Config:
    """The config with the model mapped to its model_name or endpoint_name, unchanged if there is none.

    Such a model is called with rows, unless it takes request bodies: keys about requests and responses are dropped.
    """
    predictor = config.get("predictor", {})
    name = predictor.get("endpoint_name", predictor.get("model_name"))
    if name is None or name not in models:
        return config
    found = models[name]
    keys = {"model_uri": found} if isinstance(found, str) else dict(found)
    gone = HOSTING if _speaks_bytes(keys) else (*HOSTING, *SPOKEN)
    kept = {key: value for key, value in predictor.items() if key not in gone}
    return {**config, "predictor": {**kept, **keys}}


def _speaks_bytes(keys: Mapping[str, Any]) -> bool:
    """Whether the model takes and returns bodies."""
    form = keys.get("model_format")
    try:
        return (form if form is not None else format_of(str(keys["model_uri"]))) in SPEAKING_BYTES
    except ModelError:  # the suffix does not determine the format; the check of the config reports it
        return False


def _locations(data: Any) -> tuple[str, str, str | None]:
    """Where the data are, where results go, and where the config goes if elsewhere."""
    return (
        _place(data, "s3_data_input_path"),
        _place(data, "s3_output_path"),
        _place(data, "s3_analysis_config_output_path")
        if getattr(data, "s3_analysis_config_output_path", None) is not None
        else None,
    )


def _place(data: Any, name: str) -> str:
    value = getattr(data, name, None)
    if not isinstance(value, str) or not value:
        raise ArgumentError(f"data_config: {name}: found {value!r}; allowed: a path or URI.")
    return value


def _checked_models(models: Mapping[str, str | Mapping[str, Any]]) -> dict[str, str | Mapping[str, Any]]:
    """The models by name; raises ArgumentError where one is neither a URI nor keys of ``predictor``."""
    if not isinstance(models, Mapping):
        raise ArgumentError(f'models: found {described(models)}; allowed: a dict such as {{"my-model": "model.ubj"}}.')
    for name, model in models.items():
        if isinstance(model, Mapping) and "model_uri" in json_value(model, f"models[{name!r}]"):
            continue
        if not isinstance(model, str):
            raise ArgumentError(
                f"models[{name!r}]: found {described(model)}; "
                "allowed: the URI of a model, or a dict with model_uri and "
                "other keys of predictor."
            )
    return {str(name): model for name, model in models.items()}


def _tell(**given: Any) -> None:
    """Log which of the given arguments have no effect."""
    for name in (name for name in TOLD if given.get(name)):
        logger.warning("%s has no effect: %s.", name, TOLD[name])
    machines = [name for name in MACHINES if given.get(name) is not None]
    if machines:
        logger.info("No effect here, the Spark session does the work: %s.", ", ".join(machines))
