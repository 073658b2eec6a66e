"""Data sets: listed, read, typed and given row keys."""
