"""The calls and config classes of the SageMaker SDK, on Spark."""
