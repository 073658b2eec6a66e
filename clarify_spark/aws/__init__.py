"""The driver's calls to SageMaker's control plane."""
