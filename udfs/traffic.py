"""The cost of network requests, counted where they are sent and summed on the way to the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Traffic:
    """Requests to an endpoint.

    ``requests`` were sent, with ``bytes_sent`` of bodies; ``answered`` of them returned the answers for ``records``
    records, ``fewest`` to ``most`` in one (0: none was answered). The others failed: ``throttled``, ``unavailable``
    (502 to 504 and the like), ``unreachable``, ``timed_out``, ``disconnected``, ``garbled`` (an HTML page instead of an
    answer), ``model_errors`` (the model failed), ``refused`` (because of the records), ``too_large``. ``splits`` is
    how many requests were split in two. ``waited`` is the seconds spent in pauses before retries.
    """

    requests: int = 0
    bytes_sent: int = 0
    answered: int = 0
    records: int = 0
    fewest: int = 0
    most: int = 0
    throttled: int = 0
    unavailable: int = 0
    unreachable: int = 0
    timed_out: int = 0
    disconnected: int = 0
    garbled: int = 0
    model_errors: int = 0
    refused: int = 0
    too_large: int = 0
    splits: int = 0
    waited: float = 0.0


def together(parts: Iterable[Traffic | None]) -> Traffic | None:
    """The traffic of all parts, None when none of them has any."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    sums = {field.name: sum(getattr(part, field.name) for part in known) for field in fields(Traffic)}
    sums["fewest"] = min((part.fewest for part in known if part.answered), default=0)
    sums["most"] = max(part.most for part in known)
    return Traffic(**sums)
