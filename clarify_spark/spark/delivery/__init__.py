"""Code and models on their way to executors."""
