"""Readers of the data formats that a config can name; ``clarify_spark.spark.datasets`` chooses among them."""
