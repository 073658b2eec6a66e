"""Texts use plain words: no phrase of phrases.txt occurs in source texts, documentation or --help."""

import io
import re
import tokenize
from pathlib import Path

import pytest

from clarify_spark.cli.command import COMMANDS, parser

REPOSITORY = Path(__file__).resolve().parents[2]
LINES = (Path(__file__).parent / "phrases.txt").read_text(encoding="utf-8").splitlines()
PHRASES = [line.split("\t")[0] for line in LINES if line and not line.startswith("#")]
ANY = re.compile("|".join(f"(?:{phrase})" for phrase in PHRASES).replace(" ", r"\s+"), re.IGNORECASE)


def files(suffix, *folders):
    found = (path for folder in folders for path in (REPOSITORY / folder).rglob(f"*{suffix}"))
    return sorted(path for path in found if not path.is_relative_to(REPOSITORY / "benchmarks" / "data"))


SOURCES = files(".py", "clarify_spark", "udfs", "jobs", "conf", "benchmarks")
PAGES = sorted(REPOSITORY.glob("*.md")) + files(".md", "docs", "conf", "benchmarks")
#: Texts of the report, which readers know by these words.
EXEMPT = ("clarify_spark/report/", "clarify_spark/documents/summary.py")


def texts_of(source):
    """Strings and comments with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if tokenize.tok_name[token.type] in ("STRING", "COMMENT", "FSTRING_MIDDLE"):
            yield token.start[0], re.sub(r"\n\s*#?:?", "\n", token.string)


def found(text):
    return [" ".join(match[0].split()) for match in ANY.finditer(text)]


@pytest.mark.slow
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_strings_docstrings_and_comments_use_plain_words(path):
    if not path.relative_to(REPOSITORY).as_posix().startswith(EXEMPT):
        assert [(line, found(text)) for line, text in texts_of(path.read_text(encoding="utf-8")) if found(text)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_pages_use_plain_words(path):
    assert found(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_uses_plain_words(command, capsys):
    with pytest.raises(SystemExit):
        parser().parse_args([*([command] if command else []), "--help"])
    text = capsys.readouterr().out
    assert "usage: clarify-spark" in text
    assert found(text) == []
