"""What of a sheet is asked for: rows of some tasks, models, densities and rows of the suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ticketbench.board.export.sheet import Sheet, Tags
from ticketbench.board.words import family, spelled
from ticketbench.errors import UnknownNameError
from ticketbench.results.measures import nearest


@dataclass(frozen=True)
class Chosen:
    """Names by kind; an empty tuple leaves a kind open."""

    tasks: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    densities: tuple[float, ...] = ()
    rows: tuple[str, ...] = ()

    def takes(self, tags: Tags) -> bool:
        """Whether a row with these tags is asked for. A row of no single task, model or density passes."""
        return (
            (not self.tasks or not tags.task or any(means_choice(tags.task, one) for one in self.tasks))
            and (not self.models or not tags.model or any(means_choice(tags.model, one) for one in self.models))
            and (not self.densities or tags.density is None or nearest(self.densities, tags.density) is not None)
            and (not self.rows or any(means_choice(tags.row, one) for one in self.rows))
        )


def means_choice(choice: str, name: str) -> bool:
    """Whether a choice, as the store writes it, is meant: by its name, or with all of its options."""
    return name in (choice, family(choice), spelled(choice))


def rows_asked_for(sheet: Sheet, chosen: Chosen, where: str) -> Sheet:
    """A sheet with the rows that are asked for; an `UnknownNameError` for a name that no row has."""
    check_choices("task", chosen.tasks, [tags.task for tags in sheet.tags], where)
    check_choices("model", chosen.models, [tags.model for tags in sheet.tags], where)
    check_choices("row", chosen.rows, [tags.row for tags in sheet.tags], where)
    densities = sorted({tags.density for tags in sheet.tags if tags.density is not None}, reverse=True)
    for density in chosen.densities:
        if densities and nearest(densities, density) is None:
            raise UnknownNameError("density", f"{density:g}", [f"{one:.4g}" for one in densities], where)
    held = [at for at, tags in enumerate(sheet.tags) if chosen.takes(tags)]
    made = Sheet(sheet.title, sheet.columns, notes=sheet.notes)
    for at in held:
        made.add(sheet.rows[at], sheet.tags[at], sheet.groups[at])
    return made


def check_choices(kind: str, names: Sequence[str], choices: Sequence[str], where: str) -> None:
    """Every name is that of a choice that some row has; where no row has one of its own, any name will do."""
    known = {choice for choice in choices if choice}
    for name in names:
        if known and not any(means_choice(choice, name) for choice in known):
            raise UnknownNameError(kind, name, {family(choice) for choice in known}, where)
