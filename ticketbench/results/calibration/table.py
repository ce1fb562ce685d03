"""The tables of a calibration, as text for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ticketbench.results.calibration.boards import FAMILY, MARGIN, TRUE, Rates
from ticketbench.results.calibration.kinds import FAIR, UNLIKE, Recorded
from ticketbench.results.calibration.looking import LookRates

BEGIN, END = "<!-- made by `ticketbench board calibrate --write` -->", "<!-- made until here -->"
POINT_WORDS = tuple(f"{100 * size:g} point{'s' * (size != 0.01)}" for size in TRUE)
BOARD_COLUMNS = (
    "kind",
    "test",
    "false better or worse, %",
    "false as good, %",
    *(f"{points} found, %" for points in POINT_WORDS),
    f"0 as good within {POINT_WORDS[TRUE.index(MARGIN)]}, %",
)
LOOK_COLUMNS = (
    "kind",
    "looks at seeds",
    "false better or worse, %",
    "if each look were at 5 %",
    "false as good, %",
    "decided at the first look, %",
    "decided in the end, %",
    "seeds taken",
)
DASH = "–"
Lines = list[tuple[str, ...]]


@dataclass
class Calibration:
    """All that one calibration found, and what it was done with."""

    recorded: Recorded
    boards: int
    seed: int
    rates: list[Rates] = field(default_factory=list)
    looks: list[LookRates] = field(default_factory=list)

    def about(self) -> str:
        """What was simulated, in one paragraph."""
        return (
            f"{self.boards:,} boards of {FAMILY} comparisons for each line and number of seeds, from seed {self.seed}; "
            f"scales and residuals of {len(self.recorded.rows)} rows and {len(self.recorded.scales)} comparisons of "
            f"{', '.join(self.recorded.boards)}."
        )


def percent(share: float, digits: int = 0) -> str:
    """A share as a number of percents."""
    return f"{100 * share:.{digits}f}"


def board_lines(rates: Sequence[Rates]) -> Lines:
    """A line for each kind and test; in each place the numbers of seeds one after the other."""
    groups: dict[tuple[str, str], list[Rates]] = {}
    for one in rates:
        groups.setdefault((one.kind, one.test), []).append(one)
    lines: Lines = []
    for (kind, test), members in groups.items():
        false = [percent(one.false / one.boards, 1) for one in members]
        wrong = [DASH if one.wrong is None else percent(one.wrong / one.boards, 1) for one in members]
        found = [[percent(one.found[at]) if one.found else DASH for one in members] for at in range(len(TRUE))]
        same = [DASH if one.same is None else percent(one.same) for one in members]
        lines.append((kind, test, *(side_by_side(part) for part in (false, wrong, *found, same))))
    return lines


def side_by_side(parts: Sequence[str]) -> str:
    """Numbers beside each other; one dash where there are none."""
    return DASH if set(parts) == {DASH} else " / ".join(parts)


def look_lines(looks: Sequence[LookRates]) -> Lines:
    """A line for each kind and plan; shares and seeds for each true difference, none first."""
    return [
        (
            one.kind,
            ", ".join(str(look.seeds) for look in one.plan),
            percent(one.false / one.boards, 1),
            percent(one.careless / one.boards, 1),
            percent(one.wrong / one.boards, 1),
            side_by_side([percent(share) for share in one.at_first]),
            side_by_side([percent(share) for share in one.decided]),
            side_by_side([f"{count:.0f}" for count in one.seeds]),
        )
        for one in looks
    ]


def board_title(rates: Sequence[Rates]) -> str:
    """What stands in each place of the boards' table."""
    return f"Boards at {' / '.join(str(count) for count in dict.fromkeys(one.seeds for one in rates))} seeds"


LOOK_TITLE = f"Looks until decided; true differences of 0 / {' / '.join(f'{100 * size:g}' for size in TRUE)} points"


def markdown_table(columns: Sequence[str], lines: Lines) -> str:
    """A table as documents have it."""
    rows = [tuple(columns), ("---",) * len(columns), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def calibration_markdown(found: Calibration) -> str:
    """The whole of a calibration, as it stands between the marks in a document."""
    kinds = "\n".join(f"- **{kind.name}**: {kind.text}." for kind in (*FAIR, *UNLIKE))
    parts = [
        found.about(),
        kinds,
        f"**{board_title(found.rates)}.**",
        markdown_table(BOARD_COLUMNS, board_lines(found.rates)),
        f"**{LOOK_TITLE}.**",
        markdown_table(LOOK_COLUMNS, look_lines(found.looks)),
    ]
    return "\n\n".join(parts)


def written_into(text: str, made: str) -> str | None:
    """A document with what is made between its marks; None where it has no marks, or not one pair in order."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (begun and ended) or BEGIN in rest or END in before + after:
        return None
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"
