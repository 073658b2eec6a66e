"""Counts of rows by facet, label, prediction, stratum and segment."""
