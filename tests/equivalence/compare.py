"""Runs the same commands on two states of this repository and reports what changes for a user.

    python tests/equivalence/compare.py BASE [HEAD]

BASE and HEAD are commits, folders of checkouts, or folders of results; HEAD is this checkout by default. The
exit code is 1 when anything differs. ``--base-results DIR`` keeps the outputs of BASE in DIR and reuses those that an
earlier call left there, and ``--head-results DIR`` those of HEAD. A side whose results are all there is not run.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import sides
from cases import Case, cases
from differences import Rules, differences_of

REPOSITORY = Path(__file__).resolve().parents[2]
#: The file in a folder of results that identifies the state they belong to.
STATE = "state.txt"
#: Lines of a report on one case.
MOST_LINES = 60


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and report; returns the exit code."""
    arguments = _parser().parse_args(argv)
    wanted = [case for case in cases() if fnmatch.fnmatch(case.name, arguments.only)]
    if not wanted:
        raise SystemExit(f"--only {arguments.only}: no case has such a name. There are: {', '.join(_names())}")
    with tempfile.TemporaryDirectory(prefix="clarify-spark-") as folder:
        kept = arguments.keep or Path(folder)
        base = _results("BASE", arguments.base, arguments.base_results or kept / "base", wanted)
        head = _results("HEAD", arguments.head, arguments.head_results or kept / "head", wanted)
        rules = Rules(words=arguments.mode == "words", added=tuple(arguments.added))
        return _tell(wanted, base, head, rules, arguments.texts)


def _names() -> list[str]:
    return [case.name for case in cases()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", metavar="BASE", help="a commit, the folder of a checkout, or of results")
    parser.add_argument("head", metavar="HEAD", nargs="?", default=f"{REPOSITORY}", help="default: this checkout")
    parser.add_argument("--mode", choices=("exact", "words"), default="exact", help="words: texts may differ")
    parser.add_argument("--texts", metavar="FILE", type=Path, help="with --mode words: where changed texts are listed")
    parser.add_argument(
        "--added", metavar="PATH", action="append", default=[],
        help="a key that HEAD may have more in analysis_details.json: bias.facets.*.*.metrics.*.p (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--only", metavar="PATTERN", default="*", help="only cases of such names (example-*)")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the outputs of both sides in DIR")
    parser.add_argument("--base-results", metavar="DIR", type=Path, help="outputs of BASE, made where they are missing")
    parser.add_argument("--head-results", metavar="DIR", type=Path, help="outputs of HEAD, made where they are missing")
    return parser


def _results(name: str, what: str, folder: Path, wanted: Sequence[Case]) -> Path:
    """The folder with the results of a side, after running the cases that it lacks or that have changed since."""
    if (Path(what) / STATE).is_file():
        return _saved(Path(what), wanted)
    one = sides.side(name, what)
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / STATE
    if state.is_file() and state.read_text().strip() != one.state:
        raise SystemExit(
            f"{folder} has results of {state.read_text().strip()}, and {name} is {one.state}: name another folder."
        )
    state.write_text(f"{one.state}\n")
    missing = [case for case in wanted if not _has(folder, case)]
    if missing:
        sides.run(one, missing, folder)
    return folder


def _saved(folder: Path, wanted: Sequence[Case]) -> Path:
    """The folder itself, if it has all results."""
    missing = [case.name for case in wanted if not _has(folder, case)]
    if missing:
        raise SystemExit(f"{folder} lacks results, or has those of former cases: {', '.join(missing)}")
    return folder


def _has(folder: Path, case: Case) -> bool:
    """Whether all of a case's steps have ended there, in the case as it is now."""
    definition = folder / case.name / "case.txt"
    ended = all((folder / case.name / f"{place}.code").is_file() for place in range(len(case.steps)))
    return ended and definition.is_file() and definition.read_text() == case.definition


def _tell(wanted: Sequence[Case], base: Path, head: Path, rules: Rules, texts: Path | None) -> int:
    """Write what differs, case by case."""
    changed: set[tuple[str, str]] = set()
    differing = 0
    for case in wanted:
        lines = differences_of(case, base / case.name, head / case.name, rules, changed)
        differing += bool(lines)
        if lines:
            more = [f"… {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
            _say(f"\n## {case.name}", *lines[:MOST_LINES], *more)
    if texts:
        texts.write_text("".join(f"{old} => {new}\n" for old, new in sorted(changed)), encoding="utf-8")
    told = f", {len(changed)} changed texts" if rules.words else ""
    _say(f"{len(wanted)} cases, {differing} differ{told}")
    return int(differing > 0)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
