"""``clarify-spark analyze``: run the analyses of a config."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from clarify_spark.cli.ending import say, warn, write_exit_message
from clarify_spark.cli.options import EXIT_CODES, PROCESSING, Parser, location, positive
from clarify_spark.udfs.model_spec import Calling

if TYPE_CHECKING:
    from clarify_spark.run.context import Result

#: Warnings that are printed.
MOST_WARNINGS = 20
#: Verdicts by the words of --fail-on.
FAIL_ON = {"outside": "outside_bounds", "not-enough-data": "not_enough_data"}


def add_options(analyze: Parser) -> None:
    """Declare the options of the command."""
    analyze.description = (
        "Run the analyses of a config. Without --config, --data or --output the folders of a SageMaker "
        f"processing job under {PROCESSING} are used where they exist."
    )
    analyze.epilog = EXIT_CODES
    analyze.formatter_class = argparse.RawDescriptionHelpFormatter
    analyze.add_argument("--config", metavar="FILE", help="analysis_config.json: a path or URI")
    analyze.add_argument(
        "--data", metavar="URI", help="the data set: file, folder or glob; overrides the config's dataset_uri"
    )
    analyze.add_argument("--output", metavar="URI", help="the folder for analysis.json and analysis_details.json")
    analyze.add_argument("--master", metavar="MASTER", help="Spark master (default: spark-submit's, else this machine)")
    analyze.add_argument(
        "--dry-run", action="store_true", help="check config, data and columns, report what would run, and stop"
    )
    analyze.add_argument(
        "--seed", metavar="N", type=int, help="seed of every random choice (default: the config's, else 0)"
    )
    analyze.add_argument("--strict", action="store_true", help="reject what Clarify's own schema rejects")
    analyze.add_argument(
        "--allow-pickle",
        action="store_true",
        help="load pickle or joblib models; they can run arbitrary code, so load only your own",
    )
    analyze.add_argument(
        "--trust-type",
        metavar="TYPE",
        action="append",
        default=[],
        help="a type that a skops model may hold in addition to skops' own safe list (may be repeated)",
    )
    _add_bias_options(analyze)
    _add_model_options(analyze)
    _add_shap_options(analyze)


def _add_bias_options(analyze: Parser) -> None:
    bias = analyze.add_argument_group("bias")
    bias.add_argument(
        "--bounds-from",
        metavar="FILE",
        help="an earlier analysis.json: no metric may be further from its ideal value than there; "
        "bounds in the config override it",
    )
    bias.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        action="append",
        default=[],
        help="end with exit code 1 when a metric has that verdict (may be repeated)",
    )


def _add_model_options(analyze: Parser) -> None:
    defaults = Calling()
    model = analyze.add_argument_group("models and endpoints")
    model.add_argument(
        "--max-model-calls",
        metavar="N",
        type=positive,
        help="refuse to start when more than N records, by estimate, would go to the model",
    )
    numbers = (
        ("--max-payload-bytes", "payload_bytes", "bytes of a request to an endpoint"),
        ("--max-batch-records", "batch_records", "records of a request"),
        ("--requests-in-flight", "in_flight", "requests that a task keeps in flight at once"),
        (
            "--request-timeout",
            "timeout_seconds",
            "seconds without an answer before a request counts as failed",
        ),
        ("--retry-seconds", "retry_seconds", "seconds to keep retrying a request after temporary failures"),
    )
    for option, name, what in numbers:
        default = getattr(defaults, name)
        model.add_argument(
            option,
            metavar="N",
            dest=name,
            type=positive,
            default=default,
            help=f"{what} (default: {default:g})" if isinstance(default, float) else f"{what} (default: {default})",
        )


def _calling(arguments: argparse.Namespace) -> Calling:
    return Calling(**{one.name: getattr(arguments, one.name) for one in fields(Calling)})


def _add_shap_options(analyze: Parser) -> None:
    shap = analyze.add_argument_group("explanations (methods.shap, methods.pdp)")
    shap.add_argument("--single-file", action="store_true", help="write explanations_shap/out.csv as one file")
    shap.add_argument(
        "--force-resume",
        action="store_true",
        help="resume an interrupted run even if config, data, model or seed have changed since",
    )
    shap.add_argument(
        "--buffer-bytes",
        metavar="N",
        type=positive,
        default=256 * 2**20,
        help="limit of the buffer of masked rows in one Python worker (default: 268435456, 256 MB)",
    )
    shap.add_argument(
        "--pdp-rows",
        metavar="N",
        type=positive,
        help="use N rows, drawn with the seed, for partial dependence (default: all)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the analyses; returns the exit code."""
    from clarify_spark.spark.session import require_pyspark, session

    require_pyspark()
    from clarify_spark.run.checks import check_model, check_options, runnable
    from clarify_spark.run.context import Options, RunLocations
    from clarify_spark.run.startup import startup_of
    from clarify_spark.spark.files.output import local_path, read_text

    config = location(arguments.config, "--config", PROCESSING / "input" / "config" / "analysis_config.json")
    output = location(arguments.output, "--output", PROCESSING / "output")
    options = Options(
        seed=arguments.seed,
        strict=arguments.strict,
        dry_run=arguments.dry_run,
        allow_pickle=arguments.allow_pickle,
        trusted_types=tuple(arguments.trust_type),
        max_model_calls=arguments.max_model_calls,
        bounds_from=_bounds_from(arguments.bounds_from, None),
        fail_on=tuple(arguments.fail_on),
        calling=_calling(arguments),
        single_file=arguments.single_file,
        force_resume=arguments.force_resume,
        buffer_bytes=arguments.buffer_bytes,
        pdp_rows=arguments.pdp_rows,
    )
    text = read_text(config, None) if local_path(config) is not None else None
    if text is not None:  # what cannot run is rejected before Spark is started for it
        config_of_run = runnable(text, strict=options.strict).config
        check_model(config_of_run, options)
        if options.bounds_from is not None or (options.fail_on and arguments.bounds_from is None):
            check_options(config_of_run, options)
    mounted = PROCESSING / "input" / "data"
    places = RunLocations(output, arguments.data, str(mounted) if mounted.exists() else None)
    startup = startup_of(config_of_run, places.data_of(config_of_run)) if text is not None else None
    with session(arguments.master, startup) as started:
        from clarify_spark.run.pipeline import run as run_analyses

        text = read_text(config, started.spark) if text is None else text
        if options.bounds_from is None and arguments.bounds_from is not None:
            options = replace(options, bounds_from=_bounds_from(arguments.bounds_from, started.spark))
        check_options(runnable(text, strict=options.strict).config, options)
        result = run_analyses(started, text, places, options)
    show(result)
    return _failed_on(arguments.fail_on, result)


def _bounds_from(uri: str | None, spark: Any) -> tuple[str, str] | None:
    """The text of the earlier result and its location; None if only Spark can read it and there is none."""
    from clarify_spark.spark.files.output import local_path, read_text

    if uri is None or (spark is None and local_path(uri) is None):
        return None
    return read_text(uri, spark), uri


def _failed_on(verdicts: Sequence[str], result: Result) -> int:
    """Exit code 1 with its last words when a metric has one of the verdicts, or compares nothing at all; else 0."""
    found = {verdict: result.verdicts.get(FAIL_ON[verdict], 0) for verdict in dict.fromkeys(verdicts)}
    violations = [
        f"{count} metrics {verdict.replace('-', ' ')} (--fail-on {verdict})"
        for verdict, count in found.items()
        if count
    ]
    if verdicts and (silent := result.verdicts.get("silent", 0)):
        violations.append(f"{silent} metrics compare nothing, since no label or no prediction is positive")
    if not violations:
        return 0
    write_exit_message(f"Completed, everything is written, but bounds are violated: {', '.join(violations)}")
    return 1


def show(result: Result) -> None:
    """Print the warnings of a run to stderr, its lines to standard output."""
    for warning in result.warnings[:MOST_WARNINGS]:
        warn(warning)
    if len(result.warnings) > MOST_WARNINGS:
        warn(f"… {len(result.warnings):,} in all: analysis_details.json of a run lists them")
    say("\n".join(result.lines))
