"""Requests to models that are asked by bodies of bytes, and what their responses mean."""
