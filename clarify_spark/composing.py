"""The config objects of a call to one analysis config."""
