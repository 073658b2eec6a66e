"""Bias metrics and model explanations for tabular data on Spark. Importing this package loads nothing heavy."""

__version__ = "0.1.0"
