"""What runs on Spark executors: numpy, pandas, pyarrow, jmespath and, lazily, the one model library a predictor needs."""
