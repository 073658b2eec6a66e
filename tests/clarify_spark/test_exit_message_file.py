"""The file that SageMaker shows as the ExitMessage of a processing job."""

import pytest

from clarify_spark.cli import main


@pytest.fixture
def message(tmp_path, monkeypatch):
    path = tmp_path / "message"
    monkeypatch.setattr("clarify_spark.cli.ending.MESSAGE_FILE", path)
    return path


def last_line(capfd):
    return capfd.readouterr().err.splitlines()[-1]


def test_a_user_error_is_in_the_file_as_in_the_last_line_of_stderr(message, capfd):
    assert main(["validate", "no-such-file.json"]) == 2
    assert message.read_text() == "Customer Error: There is no file no-such-file.json."
    assert last_line(capfd) == f"exit_message: {message.read_text()}"


def test_a_bug_is_in_the_file(message, monkeypatch):
    monkeypatch.setattr("clarify_spark.config.json_schema", lambda: 1 / 0)
    assert main(["schema"]) == 70
    assert message.read_text() == "Internal Error: ZeroDivisionError: division by zero"


def test_a_success_replaces_what_an_earlier_command_wrote(message):
    message.write_text("Customer Error: of before" * 10)
    assert main(["schema"]) == 0
    assert message.read_text() == "Completed: clarify_spark ran successfully"


@pytest.mark.parametrize("shift", range(4))
def test_a_long_message_is_cut_to_1024_bytes_between_characters(message, capfd, shift):
    name = "x" * shift + "ü€😀" * 400
    main(["validate", name])
    found = message.read_bytes()
    assert 1020 < len(found) <= 1024
    assert last_line(capfd).startswith(f"exit_message: {found.decode('utf-8')}")


def test_the_message_is_utf_8_whatever_bytes_a_name_has(message):
    main(["validate", "\udcff.json"])
    assert message.read_bytes().decode("utf-8") == "Customer Error: There is no file ?.json."


def test_secrets_are_not_in_the_file(message):
    main(["validate", "s3://key:hidden-secret@bucket/config.json"])
    assert "hidden-secret" not in message.read_text()


def test_no_folder_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("clarify_spark.cli.ending.MESSAGE_FILE", tmp_path / "output" / "message")
    assert main(["schema"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_changes_no_exit_code(message, capfd):
    message.mkdir()
    assert main(["schema"]) == 0
    err = capfd.readouterr().err.splitlines()
    assert err[-1] == "exit_message: Completed: clarify_spark ran successfully"
    assert "cannot be written: Is a directory" in err[-2]
