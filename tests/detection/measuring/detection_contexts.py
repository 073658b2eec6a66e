"""A pytest plugin: what a test runs is recorded under its name (``pytest -p detection_contexts``)."""

import coverage
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Switch the context of the measurement that runs in this process."""
    measurement = coverage.Coverage.current()
    measurement.switch_context(item.nodeid)
    result = yield
    measurement.switch_context("")
    return result
