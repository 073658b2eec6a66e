"""The ``clarify-spark`` command: argv in, exit code out; every ending writes an exit_message line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from clarify_spark.errors import ClarifyError, CommandError, ConfigError
from clarify_spark.redaction import without_secrets
from clarify_spark.udfs.model_spec import Calling
from clarify_spark.version import __version__

if TYPE_CHECKING:
    from clarify_spark.run.context import Result
    from clarify_spark.spark.files.output import Output

#: Where SageMaker Processing mounts a job's input and expects its output.
PROCESSING = Path("/opt/ml/processing")
#: What SageMaker shows as the ExitMessage of a processing job, the first 1,024 bytes of it and only as UTF-8.
MESSAGE_FILE, MESSAGE_BYTES = Path("/opt/ml/output/message"), 1024

EXIT_CODES = """exit codes:
  0   done
  1   interrupted (Ctrl-C or SIGTERM); finished blocks are kept, the same command continues.
      Also, with everything written: --fail-on found a metric of that verdict
  2   the config or the command is wrong
  3   the data cannot be read as the config says
  4   the model cannot be loaded or called; finished blocks are kept
  5   the output location cannot be written
  70  a bug in clarify_spark
"""

TERMINATED = "Stopped: ended by SIGTERM; finished blocks are kept, start the same command again to continue"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never raises but for SystemExit(0) from --help and --version."""
    with _Ending() as ending:
        arguments = _parser().parse_args(argv)
        ending.code = arguments.run(arguments)
    return ending.code


class _Ending:
    """Turns whatever ends a command into its exit code, one message and the exit_message line, all on stderr."""

    code = 0

    def __init__(self) -> None:
        self._terminated = False
        self._before: Any = None

    def __enter__(self) -> _Ending:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._on_sigterm)
        return self

    def _on_sigterm(self, *_: object) -> None:
        """End as after Ctrl-C; impatient repetitions do not cut the cleaning up short."""
        if not self._terminated:
            self._terminated = True
            raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if isinstance(error, SystemExit):
            return False
        if error is None:
            if self.code == 0:
                last_words("Completed: clarify_spark ran successfully")
        elif self._terminated:  # whatever failed, it failed because Spark or this process was ending
            self.code = 1
            last_words(TERMINATED)
        elif isinstance(error, ClarifyError):
            self.code = error.exit_code
            print(without_secrets(f"clarify-spark: {error}"), file=sys.stderr)
            last_words(f"Customer Error: {error}")
        elif _was_interrupted(error):
            self.code = 1
            last_words("Stopped: interrupted before the end")
        elif isinstance(error, _UnreadError):
            self.code = 1
            last_words("Stopped: nobody reads the output")
        else:
            self.code = 70
            print(without_secrets("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)
            print("clarify-spark: this is a bug; please report it with the lines above.", file=sys.stderr)
            last_words(f"Internal Error: {kind.__name__ if kind else ''}: {error}")
        return True


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is the cause, be it of an error of a call to Spark that it cut short."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


class _UnreadError(Exception):
    """Standard output is a pipe that was closed (``| head``)."""


def _say(text: str) -> None:
    """Print to standard output without secrets."""
    _print(without_secrets(text))


def _print(text: str) -> None:
    """Print to standard output; once nobody reads there, what may still come goes nowhere without complaint."""
    try:
        print(text, flush=True)
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _UnreadError from error


def last_words(text: str) -> None:
    """The reason of the ending as the last line of stderr and, in a processing container, in the file for it."""
    line = without_secrets(" ".join(text.split()))
    if MESSAGE_FILE.parent.is_dir():
        whole_characters = line.encode("utf-8", "replace")[:MESSAGE_BYTES].decode("utf-8", "ignore")
        try:
            MESSAGE_FILE.write_bytes(whole_characters.encode("utf-8"))
        except OSError as error:
            print(f"warning: {MESSAGE_FILE} cannot be written: {error.strerror}", file=sys.stderr)
    print(f"exit_message: {line}", file=sys.stderr, flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="clarify-spark",
        description="Measure the bias of data and models on Spark; reads SageMaker Clarify's analysis_config.json.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"clarify-spark {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_analyze(commands)
    _add_validate(commands)
    _add_config(commands)
    _add_cleanup(commands)
    _add_report(commands)
    schema = commands.add_parser("schema", help="print the JSON Schema of analysis_config.json, for editors")
    schema.set_defaults(run=_schema)
    demo = commands.add_parser("demo", help="train a small model on real mortgage data and analyse it by race and sex")
    demo.add_argument(
        "--output", metavar="DIR", default="demo-output", help="folder for the results (default: demo-output)"
    )
    demo.add_argument("--master", metavar="MASTER", help="Spark master (default: this machine)")
    demo.set_defaults(run=_demo)
    return parser


def _add_analyze(commands: argparse._SubParsersAction[_Parser]) -> None:
    analyze = commands.add_parser(
        "analyze",
        help="run the analyses of a config",
        description="Run the analyses of a config. Without --config, --data or --output the folders of a SageMaker "
        f"processing job under {PROCESSING} are used where they exist.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    analyze.add_argument("--config", metavar="FILE", help="analysis_config.json: a path or URI")
    analyze.add_argument(
        "--data", metavar="URI", help="the data set: file, folder or glob; overrides the config's dataset_uri"
    )
    analyze.add_argument("--output", metavar="URI", help="the folder for analysis.json and analysis_details.json")
    analyze.add_argument("--master", metavar="MASTER", help="Spark master (default: spark-submit's, else this machine)")
    analyze.add_argument(
        "--dry-run", action="store_true", help="check config, data and columns, say what would run, and stop"
    )
    analyze.add_argument(
        "--seed", metavar="N", type=int, help="seed of every random choice (default: the config's, else 0)"
    )
    analyze.add_argument("--strict", action="store_true", help="refuse what Clarify's own schema refuses")
    analyze.add_argument(
        "--allow-pickle",
        action="store_true",
        help="load pickle or joblib models: they can run any code, so only your own",
    )
    analyze.add_argument(
        "--trust-type",
        metavar="TYPE",
        action="append",
        default=[],
        help="a type that a skops model may hold besides skops' own safe list (may be repeated)",
    )
    _add_bias_options(analyze)
    _add_model_options(analyze)
    _add_shap_options(analyze)
    analyze.set_defaults(run=_analyze)


#: Warnings that are printed.
MOST_WARNINGS = 20
#: Verdicts by the words of --fail-on.
FAIL_ON = {"outside": "outside_bounds", "not-enough-data": "not_enough_data"}


def _add_bias_options(analyze: _Parser) -> None:
    bias = analyze.add_argument_group("bias")
    bias.add_argument(
        "--bounds-from",
        metavar="FILE",
        help="a former analysis.json: no metric may be further from its ideal value than there; "
        "bounds of the config go before it",
    )
    bias.add_argument(
        "--fail-on",
        choices=FAIL_ON,
        action="append",
        default=[],
        help="end with exit code 1 when a metric has that verdict on its bounds (may be repeated)",
    )


def _add_model_options(analyze: _Parser) -> None:
    defaults = Calling()
    model = analyze.add_argument_group("models and endpoints")
    model.add_argument(
        "--max-model-calls",
        metavar="N",
        type=_positive,
        help="refuse to start when more than N records, by estimate, would go to the model",
    )
    numbers = (
        ("--max-payload-bytes", "payload_bytes", "bytes of a request to an endpoint"),
        ("--max-batch-records", "batch_records", "records of a request"),
        ("--requests-in-flight", "in_flight", "requests that a task has under way at once"),
        (
            "--request-timeout",
            "timeout_seconds",
            "seconds without a sign of an answer before a request counts as failed",
        ),
        ("--retry-seconds", "retry_seconds", "seconds to go on sending a request that fails for a passing reason"),
    )
    for option, name, what in numbers:
        default = getattr(defaults, name)
        model.add_argument(
            option,
            metavar="N",
            dest=name,
            type=_positive,
            default=default,
            help=f"{what} (default: {default:g})" if isinstance(default, float) else f"{what} (default: {default})",
        )


def _calling(arguments: argparse.Namespace) -> Calling:
    return Calling(**{one.name: getattr(arguments, one.name) for one in fields(Calling)})


def _add_shap_options(analyze: _Parser) -> None:
    shap = analyze.add_argument_group("explanations (methods.shap, methods.pdp)")
    shap.add_argument("--single-file", action="store_true", help="write explanations_shap/out.csv as one file")
    shap.add_argument(
        "--force-resume",
        action="store_true",
        help="continue an interrupted run even if config, data, model or seed have changed since",
    )
    shap.add_argument(
        "--buffer-bytes",
        metavar="N",
        type=_positive,
        default=256 * 2**20,
        help="bound of the buffer of masked rows in one Python worker (default: 268435456, 256 MB)",
    )

    shap.add_argument(
        "--pdp-rows",
        metavar="N",
        type=_positive,
        help="use N rows, drawn by the seed, for partial dependence (default: all)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed: a whole number, 1 or more")
    return int(text)


def _add_validate(commands: argparse._SubParsersAction[_Parser]) -> None:
    validate = commands.add_parser("validate", help="list all problems of a config")
    validate.add_argument("file", metavar="FILE", help="analysis_config.json")
    validate.add_argument("--strict", action="store_true", help="refuse what Clarify's own schema refuses")
    validate.set_defaults(run=_validate)


def _add_config(commands: argparse._SubParsersAction[_Parser]) -> None:
    from clarify_spark.cli.config import DESCRIPTION, EPILOG, add_options

    config = commands.add_parser(
        "config",
        help="write a config from options",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(config)
    config.set_defaults(run=_config)


def _add_cleanup(commands: argparse._SubParsersAction[_Parser]) -> None:
    cleanup = commands.add_parser(
        "cleanup",
        help="delete temporary endpoints that a killed run has left",
        description="Delete the temporary SageMaker endpoints of which an output has records: those of runs that were "
        "killed, and those of a run that is still going on. Without --output the output folder of a SageMaker "
        f"processing job under {PROCESSING} is used where it exists.",
    )
    cleanup.add_argument("--output", metavar="URI", help="the output of the run that has left them")
    cleanup.add_argument("--dry-run", action="store_true", help="list them and stop")
    cleanup.add_argument("--master", metavar="MASTER", help="Spark master, which only a remote output needs")
    cleanup.set_defaults(run=_cleanup)


def _add_report(commands: argparse._SubParsersAction[_Parser]) -> None:
    report = commands.add_parser(
        "report",
        help="draw the report of a finished run again",
        description="Write the report as HTML, notebook and PDF into the output folder of a finished run, from its "
        "analysis.json and analysis_details.json. A local folder needs no Spark.",
    )
    report.add_argument("output", metavar="OUTPUT", help="the output of the run")
    report.add_argument("--master", metavar="MASTER", help="Spark master, which only a remote output needs")
    report.set_defaults(run=_report)


def _analyze(arguments: argparse.Namespace) -> int:
    from clarify_spark.spark.session import require_pyspark, session

    require_pyspark()
    from clarify_spark.run.checks import check_model, check_options, runnable
    from clarify_spark.run.context import Options, Places
    from clarify_spark.run.pipeline import run
    from clarify_spark.spark.files.output import local_path, read_text

    config = _place(arguments.config, "--config", PROCESSING / "input" / "config" / "analysis_config.json")
    output = _place(arguments.output, "--output", PROCESSING / "output")
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
    if text is not None:  # what cannot run is refused before Spark is started for it
        config_of_run = runnable(text, strict=options.strict).config
        check_model(config_of_run, options)
        if options.bounds_from is not None or arguments.bounds_from is None:
            check_options(config_of_run, options)
    mounted = PROCESSING / "input" / "data"
    places = Places(output, arguments.data, str(mounted) if mounted.exists() else None)
    with session(arguments.master) as started:
        text = read_text(config, started.spark) if text is None else text
        if options.bounds_from is None and arguments.bounds_from is not None:
            options = replace(options, bounds_from=_bounds_from(arguments.bounds_from, started.spark))
        check_options(runnable(text, strict=options.strict).config, options)
        result = run(started, text, places, options)
    _show(result)
    return _failed_on(arguments.fail_on, result)


def _bounds_from(place: str | None, spark: Any) -> tuple[str, str] | None:
    """The text of the former result and where it is; None where only Spark can read it and there is none."""
    from clarify_spark.spark.files.output import local_path, read_text

    if place is None or (spark is None and local_path(place) is None):
        return None
    return read_text(place, spark), place


def _failed_on(verdicts: Sequence[str], result: Result) -> int:
    """Exit code 1 with its last words when a metric has one of the verdicts, else 0."""
    found = {verdict: result.verdicts.get(FAIL_ON[verdict], 0) for verdict in dict.fromkeys(verdicts)}
    told = [
        f"{count} metrics {verdict.replace('-', ' ')} (--fail-on {verdict})"
        for verdict, count in found.items()
        if count
    ]
    if not told:
        return 0
    last_words(f"Completed, everything is written, but bounds do not hold: {', '.join(told)}")
    return 1


def _place(given: str | None, option: str, mounted: Path) -> str:
    """The option's value, else the mount of a SageMaker processing job."""
    if given is not None:
        return given
    if not mounted.exists():
        raise CommandError(f"{option} must be given: there is no SageMaker processing folder {mounted} to use instead.")
    return str(mounted)


def _show(result: Result) -> None:
    for warning in result.warnings[:MOST_WARNINGS]:
        print(without_secrets(f"warning: {warning}"), file=sys.stderr)
    if len(result.warnings) > MOST_WARNINGS:
        print(f"warning: … {len(result.warnings):,} in all: analysis_details.json of a run has them", file=sys.stderr)
    _say("\n".join(result.lines))


def _report(arguments: argparse.Namespace) -> int:
    from clarify_spark.spark.files.output import Output, local_path
    from clarify_spark.spark.session import require_pyspark, session

    if local_path(arguments.output) is not None:
        return _draw(Output(arguments.output, None))
    require_pyspark()
    with session(arguments.master) as started:
        return _draw(Output(arguments.output, started.spark))


def _draw(output: Output) -> int:
    """Make the report of a finished run and write it beside the documents that it is made from."""
    from clarify_spark.report.files import made

    analysis, details = (_document(output, name) for name in ("analysis.json", "analysis_details.json"))
    try:
        report = made(analysis, details)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise CommandError(
            f"The report cannot be drawn: the JSON files of {output.uri} were changed, or another version wrote them "
            f"({type(error).__name__}: {error}). Run the analysis again."
        ) from error
    for name, data in report.files.items():
        _say(f"Written: {output.write_bytes(name, data)}")
    for name in report.missing:
        output.delete(name)  # of an earlier run
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _document(output: Output, name: str) -> dict[str, Any]:
    data = output.read_bytes(name)
    if data is None:
        raise CommandError(f"{output.uri} has no {name}; name the output folder of a finished run.")
    try:
        found = json.loads(data)
    except ValueError as error:
        raise CommandError(f"{output.uri}/{name} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise CommandError(f"{output.uri}/{name} is no JSON object.")
    return found


def _cleanup(arguments: argparse.Namespace) -> int:
    from clarify_spark.spark.session import require_pyspark, session

    require_pyspark()
    from clarify_spark.spark.files.output import Output, local_path

    place = _place(arguments.output, "--output", PROCESSING / "output")
    folder = local_path(place)
    if folder is not None:
        if not folder.is_dir():
            raise CommandError(f"--output {place}: there is no such folder.")
        return _clean(Output(place, None), dry_run=arguments.dry_run)
    with session(arguments.master) as started:
        return _clean(Output(place, started.spark), dry_run=arguments.dry_run)


def _clean(output: Output, *, dry_run: bool) -> int:
    from clarify_spark.aws.shadow_endpoint import cleanup, leftovers

    lines = leftovers(output) if dry_run else cleanup(output, _note)
    for line in lines:
        _say(line)
    return 0


def _note(text: str) -> None:
    print(without_secrets(f"note: {text}"), file=sys.stderr, flush=True)


def _validate(arguments: argparse.Namespace) -> int:
    from clarify_spark.config import check_runnable, later, load, unsupported
    from clarify_spark.spark.files.output import read_text

    text = read_text(arguments.file, None)
    try:
        loaded = load(text, strict=arguments.strict)
    except ConfigError as error:
        problems, notes = error.problems, tuple[str, ...]()
    else:
        found = check_runnable(loaded.config)
        problems = tuple(problem for problem in found if not problem.incomplete)
        unready = (*(problem for problem in found if problem.incomplete), *unsupported(loaded.config))
        notes = (*loaded.warnings, *later(loaded.config), *(f"cannot run as it is: {problem}" for problem in unready))
    lines = (*map(str, problems), *(f"warning: {note}" for note in notes), *(() if problems else ("valid",)))
    _say("\n".join(f"{arguments.file}: {line}" for line in lines))
    if problems:
        raise CommandError(f"{arguments.file} has {len(problems)} problem{'s' if len(problems) > 1 else ''}.")
    return 0


def _config(arguments: argparse.Namespace) -> int:
    from clarify_spark.cli.config import checked, document, write
    from clarify_spark.spark.files.output import read_text

    start = None if arguments.start is None else read_text(arguments.start, None)
    text, notes = checked(document(arguments, start), strict=arguments.strict)
    for note in notes:
        print(without_secrets(f"warning: {note}"), file=sys.stderr)
    if arguments.output is None:
        _print(text.removesuffix("\n"))
    else:
        write(text, arguments.output)
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from clarify_spark.config import json_schema

    _say(json.dumps(json_schema(), indent=2))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from clarify_spark.cli.demo import run
    from clarify_spark.spark.session import require_pyspark

    require_pyspark()
    _show(run(Path(arguments.output), master=arguments.master))
    return 0
