"""What is told of rows while they are explained."""

import io
import threading
import time
from types import SimpleNamespace

import pytest
from py4j.protocol import Py4JNetworkError

from clarify_spark.spark import progress as module
from clarify_spark.spark.progress import Progress, RowCount


@pytest.mark.parametrize(
    ("seconds", "finished", "tasks", "said"),
    [
        (0.0, 0, 0, "Explaining … 2,000 of 10,000 rows (20%), 0 s"),
        (10.0, 0, 8, "Explaining … 3,000 of 10,000 rows (30%), 100 rows/s, 5,000,000 model records, 70 s left"),
        (10.0, 4, 8, "Explaining … 4,000 of 10,000 rows (40%), 200 rows/s, 5,000,000 model records, 30 s left"),
        (2000.0, 0, 0, "Explaining … 3,000 of 10,000 rows (30%), 0.5 rows/s, 5,000,000 model records, 3 h 53 min left"),
    ],
)
def test_a_line_tells_rows_speed_model_records_and_the_time_left(seconds, finished, tasks, said):
    count = RowCount("Explaining", 10_000, 2_000)
    if seconds:
        count.add(1_000, 5_000_000)
    with count.flight(2_000):
        assert count.line(seconds, finished, tasks) == said


def test_before_the_first_rows_are_back_no_records_are_told():
    count = RowCount("Explaining", 1_000, 0)
    with count.flight(1_000):
        assert count.line(10.0, 2, 4) == "Explaining … 500 of 1,000 rows (50%), 50 rows/s, 10 s left"


def test_rows_that_a_former_run_finished_do_not_count_as_speed():
    count = RowCount("Explaining", 10_000, 9_000)
    assert "rows/s" not in count.line(10.0, 0, 0)
    count.add(10, 10)
    assert "1 rows/s, 10 model records, 16 min left" in count.line(10.0, 0, 0)


class Stages:
    """A Spark that tells of one stage, or of none."""

    sparkContext = property(lambda self: self)  # noqa: N815

    def __init__(self, **stage):
        self._stage = SimpleNamespace(**stage) if stage else None

    def statusTracker(self):
        return self

    def getActiveStageIds(self):
        return [7] if self._stage else []

    def getStageInfo(self, _):
        return self._stage


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and when a line was drawn."""

    def __init__(self):
        super().__init__()
        self.drawn = threading.Event()

    def isatty(self):
        return True

    def flush(self):
        self.drawn.set()


def test_a_terminal_has_one_line_alive_that_is_gone_in_the_end(monkeypatch):
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.01)
    stream = Terminal()
    with Progress(Stages(), stream).rows("Explaining", 10, 0) as count:
        count.add(5, 50)
        assert stream.drawn.wait(10)
    alive, _, last = stream.getvalue().rpartition("\r\x1b[K")
    assert alive.startswith("\r\x1b[KExplaining … 5 of 10 rows (50%)")
    assert "\n" not in alive
    assert last.startswith("Explaining: ")


def test_a_note_takes_the_place_of_the_line_alive(monkeypatch):
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.01)
    stream = Terminal()
    progress = Progress(Stages(), stream)
    with progress.phase("Counting"):
        assert stream.drawn.wait(10)
        progress.note("heard")
    assert "\r\x1b[Knote: heard\n" in stream.getvalue()


def test_elsewhere_rows_are_told_in_lines_of_a_log(monkeypatch):
    monkeypatch.setattr(module, "LOG_SECONDS", 0.01)
    stream = Terminal()
    stream.isatty = lambda: False
    with Progress(Stages(), stream).rows("Explaining", 10, 0) as count:
        count.add(5, 50)
        assert stream.drawn.wait(10)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("Explaining … 5 of 10 rows (50%), ")
    assert lines[-1].startswith("Explaining: ")
    assert "\r" not in stream.getvalue()


def test_a_run_that_fails_tells_no_time_for_what_it_did_not_finish():
    stream = io.StringIO()
    with pytest.raises(ValueError), Progress(Stages(), stream).rows("Explaining", 10, 0):
        raise ValueError
    assert stream.getvalue() == ""


@pytest.mark.slow
@pytest.mark.parametrize(("running", "told"), [(0, 1), (1, 0)])
def test_tasks_that_wait_for_executors_are_told_once(monkeypatch, running, told):
    monkeypatch.setattr(module, "LOG_SECONDS", 0.01)
    monkeypatch.setattr(module, "WAITING_SECONDS", 0.05)
    stream = io.StringIO()
    progress = Progress(Stages(numTasks=4, numCompletedTasks=2, numActiveTasks=running), stream)
    for _ in range(2):
        with progress.phase("Counting"):
            time.sleep(0.3)
    assert sum("No task of this run has run" in note for note in progress.notes) == told
    assert stream.getvalue().count("note: ") == told


def test_a_spark_that_is_gone_ends_the_telling_in_silence(monkeypatch):
    class Gone(Stages):
        def getActiveStageIds(self):
            asked.set()
            raise Py4JNetworkError("Answer from Java side is empty")

    asked, unheard = threading.Event(), []
    monkeypatch.setattr(module, "LOG_SECONDS", 0.01)
    monkeypatch.setattr(threading, "excepthook", unheard.append)
    stream = io.StringIO()
    with Progress(Gone(), stream).phase("Counting"):
        assert asked.wait(10)
    assert stream.getvalue().startswith("Counting: ")
    assert unheard == []
