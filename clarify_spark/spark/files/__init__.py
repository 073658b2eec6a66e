"""Whole files and folders at any URI."""
