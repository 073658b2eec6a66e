"""What runs on Spark executors: numpy, pandas, pyarrow, jmespath and, lazily, the one library that a model needs."""
