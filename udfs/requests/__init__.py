"""Requests to models that take request bodies, and what their responses mean."""
