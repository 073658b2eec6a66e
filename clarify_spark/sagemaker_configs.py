"""Config objects with the names and constructor arguments of the SageMaker SDK's, for use without it."""
