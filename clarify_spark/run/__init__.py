"""A run: its steps in order, and one module for each analysis."""
