import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarify_spark.udfs.concurrent_map import map_in_order


@given(items=st.lists(st.integers(), max_size=20), at_once=st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(items, at_once):
    assert list(map_in_order(lambda item: 2 * item, iter(items), at_once)) == [2 * item for item in items]


def test_as_many_items_as_allowed_are_worked_on_at_once_and_no_more_are_taken():
    together = threading.Barrier(3, timeout=10)
    taken = []

    def items():
        for item in range(6):
            taken.append(item)
            yield item

    def work(item):
        together.wait()
        return item

    results = map_in_order(work, items(), 3)
    assert next(results) == 0
    assert taken == [0, 1, 2]
    assert list(results) == [1, 2, 3, 4, 5]


def test_the_first_failure_in_order_is_raised_and_what_waits_is_not_begun():
    begun = []

    def work(item):
        begun.append(item)
        if item == 0:
            time.sleep(0.1)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        list(map_in_order(work, iter(range(100)), 2))
    assert len(begun) <= 3
