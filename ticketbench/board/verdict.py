"""The verdict on a bundle: which cells were computed again, what was claimed, and what was found.

It lies beside the manifest as `verdict.toml` and is no part of the bundle's hash: it is the word of whoever verified.
A file that speaks of another bundle is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from ticketbench.board.bundle.folder import VERDICT, read_file
from ticketbench.board.bundle.manifest import Digest, Manifest, OneLine, RowName, Text, read_toml, to_toml, validated
from ticketbench.board.bundle.reading import Bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.files import reason_of, written
from ticketbench.suite.base import TomlTable

VERDICT_SCHEMA = 1
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Machine(TomlTable):
    """What the cells were computed again with."""

    ticketbench: OneLine
    commit: Text
    dirty: bool
    python: OneLine
    torch: OneLine
    system: Text
    processor: Text
    accelerators: Text
    device: OneLine


class Checked(TomlTable):
    """A cell that was computed again: the claim, what was found, and whether they agree."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]
    row: RowName
    task: Text
    density: Number
    seed: Count
    metric: Text
    claimed: Number
    found: Number | None = None
    """The mean of all runs of the claimed status; missing where there is none."""
    difference: Number | None = None
    tolerance: Number
    runs: Count
    deviation: Number
    """Of the runs: what rounding does to this cell."""
    same_code: bool
    """Whether the cell's key is that of the code that computed it again."""
    alike: bool
    """Whether that is so, and torch, processor and accelerators are the same."""
    agrees: bool
    reason: Text


class Verdict(TomlTable):
    """What a verification of a bundle found, and on which machine; the file verdict.toml beside the bundle."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=VERDICT_SCHEMA)]
    bundle: Digest
    """The hash of the bundle that was looked at."""
    salt: Text
    candidates: Count
    """The cells with a result that a board ranks, of which the sample was taken."""
    agrees: bool
    together: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The p of the test of all sampled cells together: 0.01 or less where claims lie too high on average."""
    environment: Machine
    cells: Annotated[tuple[Checked, ...], Field(strict=False, max_length=1000)]

    @property
    def disagreeing(self) -> list[Checked]:
        """The cells that do not agree, or could not be computed."""
        return [cell for cell in self.cells if not cell.agrees]

    def summary(self) -> str:
        """The verdict as one line: whether the cells agree, and of how many."""
        if self.agrees:
            return f"agrees: {len(self.cells)} of {self.candidates} cells were computed again"
        if self.disagreeing:
            return f"DISAGREES: {len(self.disagreeing)} of {len(self.cells)} cells that were computed again"
        return f"DISAGREES: the {len(self.cells)} cells together are claimed too high (p {self.together:.2g})"

    @model_validator(mode="after")
    def check(self) -> Verdict:
        """It says of all cells what it says of each."""
        if any(cell.agrees == bool(cell.reason) for cell in self.cells):
            raise ValueError("a cell agrees, or a reason says why not")
        if (
            not self.cells
            or (self.agrees and self.disagreeing)
            or len({cell.key for cell in self.cells}) < len(self.cells)
        ):
            raise ValueError("it agrees if each of its cells does, and has one cell at least, each once")
        return self


def write_verdict(folder: Path, verdict: Verdict) -> Path:
    """The verdict beside the manifest; an older one is replaced."""
    text = to_toml(verdict.model_dump(mode="json", by_alias=True, exclude_none=True))
    target, partial = folder / VERDICT, folder.parent / f".{folder.name}.{VERDICT}.{os.getpid()}.tmp"
    try:
        with written(target, partial) as place:  # outside of the folder, which may hold a bundle's files alone
            place.write_bytes(text.encode())
    except OSError as error:
        raise BundleError(
            f"cannot write {target}: {reason_of(error)}. The folder must be one you may write to."
        ) from None
    return target


def read_verdict(folder: Path, manifest: Manifest) -> Verdict | None:
    """The verdict on a bundle, or None where nobody verified it."""
    if not os.path.lexists(folder / VERDICT):
        return None
    verdict = validated(VERDICT, Verdict, read_toml(VERDICT, read_file(folder, VERDICT)))
    if verdict.bundle != manifest.hash:
        raise BundleError(
            f"{VERDICT} speaks of the bundle {verdict.bundle}, this one is {manifest.hash}. Verify it again."
        )
    return verdict


def verdict_of(bundle: Bundle) -> str:
    """What whoever verified it says, in a few words. The file is no part of the hash: anyone could write it."""
    try:
        found = read_verdict(bundle.folder, bundle.manifest)
    except BundleError as error:
        return f"its verdict cannot be read: {error}"
    if found is None:
        return "nobody has verified it"
    claims = {cell.key: cell.headline for cell in bundle.cells()}
    if any(claims.get(cell.key) != cell.claimed for cell in found.cells):
        return "its verdict speaks of results that it does not have"
    return f"{found.summary()}, says verdict.toml"
