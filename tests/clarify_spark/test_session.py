"""What a run needs of the machine: Java, and how its absence is told."""

import stat

import pytest

from clarify_spark.errors import CommandError
from clarify_spark.spark.session import _let_go_of, java_major, require_java


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ("bash: java: command not found", None),
    ],
)
def test_the_major_version_is_read_from_what_java_prints(text, major):
    assert java_major(text) == major


def _java_that_prints(folder, text):
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{text}' >&2\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)


def test_a_missing_java_is_told_with_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match=r"needs Java 17 or newer, and no java was found.*apt-get install"):
        require_java()


def test_an_old_java_is_told_with_its_version_and_place(monkeypatch, tmp_path):
    _java_that_prints(tmp_path, 'openjdk version "1.8.0_292"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(CommandError, match=rf"JAVA_HOME={tmp_path} has Java 8.*apt-get install"):
        require_java()


def test_a_recent_java_passes(monkeypatch, tmp_path):
    _java_that_prints(tmp_path, 'openjdk version "21.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    require_java()


def test_a_java_that_does_not_run_is_told(monkeypatch, tmp_path):
    _java_that_prints(tmp_path, "cannot execute")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(CommandError, match="does not run"):
        require_java()


@pytest.mark.parametrize(("error", "kept"), [(None, False), (CommandError("no"), False), (ValueError("bug"), True)])
def test_sparks_log_is_kept_only_after_a_bug_and_the_traceback_says_where(tmp_path, error, kept):
    log = tmp_path / "run" / "spark.log"
    log.parent.mkdir()
    log.touch()
    _let_go_of(log, error)
    assert log.exists() == kept
    assert not kept or str(log) in error.__notes__[0]
