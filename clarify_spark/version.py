"""The version of the package; executors read it too."""

__version__ = "0.1.0"
