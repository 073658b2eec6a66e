"""Kernel SHAP on executors: coalition designs, estimators, engines."""
