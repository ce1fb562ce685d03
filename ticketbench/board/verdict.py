"""The verdict on a bundle: which cells were computed again, what was claimed, and what was found.

It lies beside the manifest as `verdict.toml` and is no part of the bundle's hash: it is the word of whoever verified.
A file that speaks of another bundle is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ticketbench.board.folder import VERDICT, read_file
from ticketbench.board.manifest import Digest, Line, Manifest, Text, Word, read_toml, to_toml, validated
from ticketbench.board.refusal import BundleError
from ticketbench.store import reason_of, sync
from ticketbench.tables import Table

VERDICT_SCHEMA = 1
Count = Annotated[int, Field(ge=0)]


class Environment(Table):
    """What the cells were computed again with."""

    ticketbench: Line
    commit: Text
    dirty: bool
    python: Line
    torch: Line
    system: Text
    processor: Text
    accelerators: Text
    device: Line


class Checked(Table):
    """A cell that was computed again."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{20}$")]
    row: Word
    task: Text
    density: float
    seed: Count
    metric: Text
    claimed: float
    found: float | None = None
    """The mean of all runs of the claimed status; missing where there is none."""
    difference: float | None = None
    tolerance: float
    runs: Count
    deviation: float
    """Of the runs: what rounding does to this cell."""
    same_code: bool
    """Whether the cell's key is that of the code that computed it again."""
    alike: bool
    """Whether that is so, and torch, processor and accelerators are the same."""
    agrees: bool
    reason: Text


class Verdict(Table):
    """What a verification found."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=VERDICT_SCHEMA)]
    bundle: Digest
    """The hash of the bundle that was looked at."""
    salt: Text
    candidates: Count
    """The cells with a result, of which the sample was taken."""
    agrees: bool
    environment: Environment
    cells: Annotated[tuple[Checked, ...], Field(strict=False, max_length=1000)]

    @property
    def disagreeing(self) -> list[Checked]:
        """The cells that do not agree, or could not be computed."""
        return [cell for cell in self.cells if not cell.agrees]


def write_verdict(folder: Path, verdict: Verdict) -> Path:
    """The verdict beside the manifest; an older one is replaced."""
    text = to_toml(verdict.model_dump(mode="json", by_alias=True, exclude_none=True))
    target, partial = folder / VERDICT, folder.parent / f".{folder.name}.{VERDICT}.{os.getpid()}.tmp"
    try:
        partial.write_bytes(text.encode())
        sync(str(partial))
        os.replace(partial, target)
    except OSError as error:
        raise BundleError(
            f"cannot write {target}: {reason_of(error)}. The folder must be one you may write to."
        ) from None
    finally:
        partial.unlink(missing_ok=True)
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
