"""Readers of the data formats that a config can name; ``clarify_spark.spark.data.datasets`` chooses among them."""
