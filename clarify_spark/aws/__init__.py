"""What the driver asks of SageMaker's control plane."""
