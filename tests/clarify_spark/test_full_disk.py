"""Files that cannot grow, as on a full disk: told in words, nothing half-written stays, what was there before does."""

import resource

import pytest

from clarify_spark.errors import OutputError
from clarify_spark.spark.files.output import Output

LIMIT = 64 * 1024


@pytest.fixture
def full():
    """A limit on the size of files of this process, which needs no rights; the kernel refuses what goes beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write(folder, pieces, *, after=lambda: None):
    with Output(str(folder), None).create("out.csv") as sink:
        for piece in pieces:
            sink.write(piece)
        after()


@pytest.mark.parametrize("piece", [100, 4 * LIMIT], ids=["pieces", "at once"])
@pytest.mark.usefixtures("full")
def test_what_does_not_fit_is_told_by_its_name_and_leaves_the_former_file(tmp_path, piece):
    write(tmp_path, [b"former"])
    with pytest.raises(OutputError, match=r"out\.csv cannot be written: File too large"):
        write(tmp_path, [b"x" * piece] * (4 * LIMIT // piece))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.csv": "former"}


@pytest.mark.usefixtures("full")
def test_an_error_of_what_is_written_is_not_hidden_by_a_file_that_cannot_be_closed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write(tmp_path, [*[b"x" * 8192] * (LIMIT // 8192), b"more"], after=lambda: 1 // 0)
    assert list(tmp_path.iterdir()) == []
