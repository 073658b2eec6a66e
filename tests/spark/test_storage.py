"""Output through Hadoop's file systems: the same promises as on a local disk."""

import pytest

from clarify_spark.errors import OutputError
from clarify_spark.spark.blocks.checkpoints import Block, Checkpoints, KeyRange
from clarify_spark.spark.files.output import Output

pytestmark = pytest.mark.classic("of Hadoop's file systems alone, to which a Connect client does not write")


@pytest.fixture
def output(spark, remote_uri, tmp_path):
    """A folder of a file system that is not the operating system's."""
    (tmp_path / "disk").mkdir()
    made = Output(f"{remote_uri(tmp_path)}/disk/out", spark)
    made.prepare()
    return made


@pytest.fixture
def disk(tmp_path):
    return tmp_path / "disk" / "out"


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_bytes_come_back_from_sub_folders(output, disk):
    data = bytes(range(256)) * 9000
    assert output.write_bytes("a/b/part.bin", data).endswith("/disk/out/a/b/part.bin")
    assert (disk / "a" / "b" / "part.bin").read_bytes() == output.read_bytes("a/b/part.bin") == data
    assert output.names("a") == ["b"]
    output.write("a/b/part.bin", "é")
    assert output.read_bytes("a/b/part.bin") == "é".encode()
    output.delete("a")
    output.delete("a")
    assert visible(disk) == []
    assert output.read_bytes("a/b/part.bin") is None
    assert output.names("a") == []


def test_a_file_written_piece_by_piece_appears_when_it_is_whole(output, disk):
    with output.create("out.csv") as sink:
        sink.write(b"a,b\n")
        assert "out.csv" not in visible(disk)
        sink.write(b"1,2\n")
    assert (disk / "out.csv").read_bytes() == b"a,b\n1,2\n"
    assert visible(disk) == ["out.csv"]


def test_a_failure_amid_a_file_leaves_the_old_one(output, disk):
    def fail_amid():
        with output.create("out.csv") as sink:
            sink.write(b"half")
            raise KeyboardInterrupt

    output.write("out.csv", "old")
    with pytest.raises(KeyboardInterrupt):
        fail_amid()
    assert output.read_bytes("out.csv") == b"old"
    assert visible(disk) == ["out.csv"]


def test_a_write_that_fails_is_told_by_the_name_of_the_file(output):
    output.write("a", "in the way")
    with pytest.raises(OutputError, match=r"The results cannot be written\. .*/disk/out/a"):
        output.write("a/b.csv", "")


def test_checkpoints_continue_there(output):
    blocks = [Block(0, 4, b"first"), Block(1, 4, b"second")]
    Checkpoints(output, {"seed": 0}).commit(KeyRange(0, 8), blocks)
    checkpoints = Checkpoints(output, {"seed": 0})
    assert checkpoints.ranges == (KeyRange(0, 8),)
    assert checkpoints.blocks(KeyRange(0, 8)) == blocks
    assert Checkpoints(output, {"seed": 1}).ranges == ()
