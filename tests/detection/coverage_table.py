"""Numbers of lines and branches that tests run, by rooms, beside those of before."""

from __future__ import annotations

from dataclasses import dataclass

from rooms import room


@dataclass(frozen=True)
class Counted:
    """How many lines and branches there are, and how many of them ran."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(*(mine + theirs for mine, theirs in zip(self.row(), other.row(), strict=True)))

    def row(self) -> tuple[int, int, int, int]:
        """The numbers in their order."""
        return self.lines, self.lines_run, self.branches, self.branches_run

    @property
    def line_rate(self) -> float:
        """The share of lines that ran, 1 without any."""
        return self.lines_run / self.lines if self.lines else 1.0

    @property
    def branch_rate(self) -> float:
        """The share of branches that ran, 1 without any."""
        return self.branches_run / self.branches if self.branches else 1.0

    @property
    def missing(self) -> int:
        """Lines and branches that did not run."""
        return self.lines - self.lines_run + self.branches - self.branches_run


def by_room(numbers: dict[str, Counted]) -> dict[str, Counted]:
    """The numbers of each room, and in the end of all."""
    rooms: dict[str, Counted] = {}
    for file, one in sorted(numbers.items()):
        rooms[room(file)] = rooms.get(room(file), Counted()) + one
    return {**rooms, "all": sum(numbers.values(), Counted())}


def table(before: dict[str, Counted], now: dict[str, Counted]) -> list[str]:
    """By room: lines and branches that run, of how many, in percent; and before."""
    rooms, earlier = by_room(now), by_room(before)
    lines = [f"{'room':30} {'lines':>13} {'%':>7} {'before':>7} {'branches':>13} {'%':>7} {'before':>7}"]
    for name, one in rooms.items():
        old = earlier.get(name, Counted())
        lines.append(
            f"{name:30} {one.lines_run:>6}/{one.lines:<6} {_percent(one.line_rate)} {_percent(old.line_rate)}"
            f" {one.branches_run:>6}/{one.branches:<6} {_percent(one.branch_rate)} {_percent(old.branch_rate)}"
        )
    return lines


def _percent(rate: float) -> str:
    return f"{100 * rate:7.2f}"


def more_missing(before: dict[str, Counted], now: dict[str, Counted], lines: dict[str, list[int]]) -> list[str]:
    """Files of before with more lines or branches that no test runs than then, and where these are."""
    return [
        f"{name}: {now[name].missing} lines and branches run in no test, {old.missing} before; lines {lines[name]}"
        for name, old in before.items()
        if name in now and now[name].missing > old.missing
    ]


def lower(before: dict[str, Counted], now: dict[str, Counted]) -> bool:
    """Whether a smaller share of all lines, or of all branches, runs."""
    old, new = by_room(before)["all"], by_room(now)["all"]
    return new.line_rate < old.line_rate or new.branch_rate < old.branch_rate


def verdict(before: dict[str, Counted], now: dict[str, Counted]) -> str:
    """One sentence."""
    found = "LOWER than" if lower(before, now) else "Not below"
    return f"{found} before: {_shares(by_room(now)['all'])}; before: {_shares(by_room(before)['all'])}."


def _shares(one: Counted) -> str:
    lines, branches = one.lines - one.lines_run, one.branches - one.branches_run
    rates = f"{100 * one.line_rate:.2f} % of lines and {100 * one.branch_rate:.2f} % of branches run"
    return f"{rates}, {lines} lines and {branches} branches do not"
