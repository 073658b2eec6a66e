import ast
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.append(str(HERE))

from coverage_table import Counted, lower, more_missing, table, verdict  # noqa: E402
from faults import FAULTS, Fault, GoneError, between, planted, read  # noqa: E402
from rooms import room  # noqa: E402
from trials import ordered  # noqa: E402

SOURCE = "def half(x):\n    if x > 0:\n        return x / 2\n    return 0\n"


@pytest.mark.parametrize("fault", read(), ids=lambda fault: fault.id)
def test_every_fault_can_be_planted_in_todays_source(fault):
    changed = fault.planted_in(REPOSITORY)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse((REPOSITORY / fault.file).read_text(encoding="utf-8")))


def test_every_room_has_two_faults_or_more_and_each_was_caught_by_a_test():
    faults = read()
    caught = Counter(room(fault.file) for fault in faults)
    rooms = json.loads(FAULTS.read_text(encoding="utf-8"))["candidates"]
    assert [name for name in rooms if caught[name] < 2] == []
    assert all(fault.caught_by.startswith("tests/") for fault in faults)
    assert len({fault.id for fault in faults}) == len(faults)


def test_a_fault_is_planted_where_its_lines_have_moved_to():
    fault = between("a 1", "half.py", "comparison", SOURCE, SOURCE.replace(">", ">="))
    assert fault.old == "    if x > 0:\n"
    assert fault.planted("# more\n" + SOURCE) == "# more\n" + SOURCE.replace(">", ">=")


def test_a_fault_takes_lines_around_it_until_it_is_unique():
    other = SOURCE.replace("half", "other")
    fault = between("a 1", "half.py", "constant", SOURCE + other, SOURCE.replace("2", "3") + other)
    assert "def half(x):\n" in fault.old
    assert fault.planted(SOURCE + other) == SOURCE.replace("2", "3") + other


def test_a_fault_whose_text_is_gone_must_be_ported():
    fault = Fault("a 1", "half.py", "comparison", "    if x > 0:\n", "    if x >= 0:\n", "tests/a.py::test")
    with pytest.raises(GoneError, match=r"a 1: the text of this fault is no longer in half\.py; port it"):
        fault.planted(SOURCE.replace("0", "1"))
    with pytest.raises(GoneError, match="more than once"):
        fault.planted(SOURCE + SOURCE)


def test_after_a_trial_the_file_is_as_before_and_python_compiles_it_anew(tmp_path):
    fault = Fault("a 1", "half.py", "comparison", "    if x > 0:\n", "    if x >= 0:\n")
    (tmp_path / "half.py").write_text(SOURCE)
    compiled = tmp_path / "__pycache__" / "half.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"of the text without the fault")
    with planted(fault, tmp_path):
        assert ">= 0" in (tmp_path / "half.py").read_text()
        assert not compiled.exists()
        compiled.write_bytes(b"of the text with the fault")
    assert (tmp_path / "half.py").read_text() == SOURCE
    assert not compiled.exists()


def test_one_case_of_each_function_is_asked_first_and_tests_with_a_jvm_last():
    tests = ["t.py::a[1]", "t.py::a[2]", "t.py::b", "t.py::spark"]
    seconds = {"t.py::a[1]": 2.0, "t.py::a[2]": 1.0, "t.py::b": 0.5, "t.py::spark": 0.1}
    assert ordered(tests, {"t.py::spark"}, seconds) == [["t.py::b", "t.py::a[2]"], ["t.py::a[1]", "t.py::spark"]]


BEFORE = {"udfs/a.py": Counted(100, 90, 10, 8), "jobs/b.py": Counted(100, 100, 0, 0)}


def test_the_share_of_lines_or_of_branches_must_not_become_smaller():
    more = {**BEFORE, "udfs/new.py": Counted(10, 10, 2, 2)}
    assert not lower(BEFORE, BEFORE)
    assert not lower(BEFORE, more)
    assert lower(BEFORE, {**more, "udfs/new.py": Counted(10, 5, 2, 2)})
    assert lower(BEFORE, {**more, "udfs/new.py": Counted(10, 10, 2, 0)})
    assert verdict(BEFORE, BEFORE).startswith(
        "Not below before: 95.00 % of lines and 80.00 % of branches run, 10 lines"
    )


def test_rooms_are_told_beside_before_and_files_with_more_that_no_test_runs():
    now = {**BEFORE, "udfs/a.py": Counted(110, 95, 10, 8)}
    rows = table(BEFORE, now)
    assert [row.split()[0] for row in rows] == ["room", "jobs", "udfs", "all"]
    assert rows[2].split() == ["udfs", "95/110", "86.36", "90.00", "8/10", "80.00", "80.00"]
    assert more_missing(BEFORE, now, {"udfs/a.py": [7, 8]}) == [
        "udfs/a.py: 17 lines and branches run in no test, 12 before; lines [7, 8]"
    ]
