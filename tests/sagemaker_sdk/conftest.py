"""The calls that record.py has made with the SDK, importable by the tests."""

import importlib.util
import sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("calls", Path(__file__).with_name("calls.py"))
sys.modules["calls"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["calls"])
