"""Row keys in words: file number << FILE_BITS | position in the file."""

from __future__ import annotations

FILE_BITS = 40
#: The column with a row's key in the data set, where ``row_key`` counts the rows of a sample.
SOURCE_KEY = "source_key"


def row_description(key: int) -> str:
    """A row by its key, and by its position in the data."""
    return f"row key {key} ({row_location(key)})"


def row_location(key: int) -> str:
    """Where a row is in the data."""
    return f"record {key % 2**FILE_BITS + 1:,} of file {(key >> FILE_BITS) + 1:,}"


def block_description(block: int, first: int, last: int) -> str:
    """A block by its number, and the positions of the rows with these first and last keys in the data."""
    return f"block {block} ({row_location(first)} to {row_location(last)})"
