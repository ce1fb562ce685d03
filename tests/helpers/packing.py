"""Archives made by hand."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def packed(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    """A .tar.gz file of files, and of whatever else a tar header can say."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                about = tarfile.TarInfo(member[0])
                about.size = len(member[1])
                archive.addfile(about, io.BytesIO(member[1]))
    return path
