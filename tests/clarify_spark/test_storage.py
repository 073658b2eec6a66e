"""Small files at a URI: read with clear errors, written whole or not at all."""

import os
import re

import pytest

from clarify_spark.errors import CommandError, OutputError
from clarify_spark.spark.files.output import Output, local_path, read_text


class NoSpark:
    """Stands where no session is needed."""


def test_file_uris_and_plain_paths_are_local_and_others_are_not():
    assert str(local_path("file:///a%20b/c")) == "/a b/c"
    assert str(local_path("a/b")) == "a/b"
    assert local_path("s3a://bucket/key") is None
    assert local_path("dbfs:/x") is None


def test_a_file_appears_whole_under_its_name_and_leaves_nothing_else(tmp_path):
    output = Output(str(tmp_path / "new" / "folder"), NoSpark())
    output.prepare()
    output.write("analysis.json", "first")
    assert output.write("analysis.json", "second").endswith("/new/folder/analysis.json")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["analysis.json"]
    assert (tmp_path / "new" / "folder" / "analysis.json").read_text() == "second"


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path):
    Output(str(tmp_path), NoSpark()).write("analysis.json", "x")
    (tmp_path / "other").write_text("x")
    assert (tmp_path / "analysis.json").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_output_that_is_a_file_is_refused_before_any_work(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match=r"taken is a file; the output must be a folder"):
        Output(str(tmp_path / "taken"), NoSpark()).prepare()


def test_an_output_that_cannot_be_written_is_told_by_the_name_of_its_folder(tmp_path):
    (tmp_path / "taken").write_text("x")
    folder = tmp_path / "taken" / "out"
    with pytest.raises(OutputError, match="^" + re.escape(f"{folder} cannot be written: Not a directory") + "$"):
        Output(str(folder), NoSpark()).prepare()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_output_is_refused_before_any_work(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        Output(str(tmp_path), NoSpark()).prepare()


def test_a_missing_config_file_is_told_by_its_name(tmp_path):
    with pytest.raises(CommandError, match=r"There is no file .*missing\.json"):
        read_text(str(tmp_path / "missing.json"), None)


def test_a_config_that_is_not_utf8_is_told(tmp_path):
    (tmp_path / "latin.json").write_bytes(b"\xe9\xff")
    with pytest.raises(CommandError, match=r"latin.json cannot be read"):
        read_text(str(tmp_path / "latin.json"), None)


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(str(tmp_path / "bom.json"), None) == "{}"


def test_a_remote_file_needs_spark():
    with pytest.raises(CommandError, match="not a local file"):
        read_text("s3://bucket/config.json", None)


def test_a_remote_output_needs_spark():
    with pytest.raises(OutputError, match=r"s3://bucket/out is not a local folder, and this command starts no Spark"):
        Output("s3://bucket/out/", None)


@pytest.fixture
def output(tmp_path):
    return Output(str(tmp_path), NoSpark())


def test_bytes_come_back_from_sub_folders(output):
    data = bytes(range(256)) * 9
    assert output.write_bytes("a/b/part.bin", data).endswith("/a/b/part.bin")
    assert output.read_bytes("a/b/part.bin") == data
    assert output.names("a") == ["b"]
    assert output.names("a/b") == ["part.bin"]


def test_what_is_not_there_is_none_empty_and_fine_to_delete(output):
    output.write("file", "x")
    assert output.read_bytes("missing") is None
    assert output.read_bytes("file/beyond") is None
    assert output.names("missing") == []
    assert output.names("file") == []
    output.delete("missing")


def test_files_and_folders_are_deleted_with_all_that_is_in_them(output, tmp_path):
    output.write("a/b/c", "x")
    output.write("a.csv", "x")
    output.delete("a")
    output.delete("a.csv")
    assert list(tmp_path.iterdir()) == []


def test_deleting_a_link_leaves_what_it_leads_to(output, tmp_path):
    output.write("a/b", "x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    output.delete("link")
    assert output.read_bytes("a/b") == b"x"


def test_a_file_written_piece_by_piece_appears_when_it_is_whole(output, tmp_path):
    output.write("out.csv", "old")
    with output.create("out.csv") as sink:
        sink.write(b"a,b\n")
        assert (tmp_path / "out.csv").read_text() == "old"
        sink.write(b"1,2\n")
    assert (tmp_path / "out.csv").read_bytes() == b"a,b\n1,2\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_a_failure_amid_a_file_leaves_the_old_one_and_is_not_taken_for_the_storages(output, tmp_path, error):
    def fail_amid():
        with output.create("out.csv") as sink:
            sink.write(b"half")
            raise error

    output.write("out.csv", "old")
    with pytest.raises(error):
        fail_amid()
    assert (tmp_path / "out.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_what_a_killed_run_left_half_written_is_overwritten(output, tmp_path):
    (tmp_path / "_out.csv.tmp").write_text("half")
    output.write("out.csv", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_write_that_fails_is_told_by_the_name_of_the_file(output, tmp_path):
    (tmp_path / "a").write_text("in the way")
    with pytest.raises(OutputError, match="^" + re.escape(f"{tmp_path}/a/b.csv cannot be written: ")):
        output.write_bytes("a/b.csv", b"")


def test_a_file_that_cannot_be_read_is_told_by_its_name(output, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"folder cannot be read: Is a directory"):
        output.read_bytes("folder")
