"""Rows of tables, and modules that they name: what a test adds to show that nothing else knows of a kind."""
