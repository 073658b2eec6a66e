"""A processor with the methods of the SageMaker SDK's: the same calls, run on Spark."""
