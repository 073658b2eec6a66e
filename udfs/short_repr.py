"""Data values inside messages: quoted, shortened, never whole records."""

LONGEST = 80


def short_repr(value: object) -> str:
    """``repr`` of a data value, at most 80 characters long."""
    text = repr(value if not isinstance(value, str) else value[: LONGEST + 1])
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
