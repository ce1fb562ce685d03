"""Bundles from someone who means harm: each is refused with one clear message, or holds nothing that can do any."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from board_bundles import fields_of, replace_table, seal, set_value, suite_file, table_of, tiny_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ticketbench.board.bundle import read_bundle
from ticketbench.board.manifest import MANIFEST, Manifest, validated
from ticketbench.board.parquet import read_table
from ticketbench.board.refusal import BundleError
from ticketbench.board.verdict import read_verdict
from ticketbench.schema import SCHEMAS
from ticketbench.suite import read_suite

SCRIPT = "<script>alert(1)</script>"
Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def right(tmp_path_factory, plugins) -> Path:
    """A bundle in order, that is not to be touched."""
    return tiny_bundle(tmp_path_factory.mktemp("right"), plugins)


@pytest.fixture
def bundle(right, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(right, tmp_path / "submissions" / "mine"))


# -- ways to spoil a bundle ----------------------------------------------------------------------------------


def field(**changes) -> Spoil:
    """Fields of the manifest, with every hash made right again."""
    return lambda bundle: seal(bundle, lambda fields: fields.update(changes))


def method(**changes) -> Spoil:
    """The first method of the manifest."""
    return lambda bundle: seal(bundle, lambda fields: fields["methods"][0].update(changes))


def value(table: str, column: str, new, row: int = 0) -> Spoil:
    """One value of a table, with every hash made right again."""
    return lambda bundle: set_value(bundle, table, column, new, row)


def values(**changes) -> Spoil:
    """Several values of the first cell."""
    return lambda bundle: [set_value(bundle, "cells", column, new) for column, new in changes.items()]


def text(content: str | bytes, file: str = MANIFEST) -> Spoil:
    """Other content of a file, hashes as they were."""
    written = content.encode() if isinstance(content, str) else content
    return lambda bundle: (bundle / file).write_bytes(written)


def appended(line: str) -> Spoil:
    """More text at the start of the manifest."""
    return lambda bundle: (bundle / MANIFEST).write_text(line + "\n" + (bundle / MANIFEST).read_text())


def cut(file: str, keep: float) -> Spoil:
    """A file whose end is missing, sealed all the same."""

    def spoil(bundle: Path) -> None:
        content = (bundle / file).read_bytes()
        (bundle / file).write_bytes(content[: int(len(content) * keep)])
        seal(bundle)

    return spoil


def file_named(name: str) -> Spoil:
    """One more file."""
    return lambda bundle: (bundle / name).write_text("#!/bin/sh\ntouch /tmp/harm\n")


def linked(name: str, target: str) -> Spoil:
    """A link in the place of a file."""

    def spoil(bundle: Path) -> None:
        (bundle / name).unlink(missing_ok=True)
        (bundle / name).symlink_to(target)

    return spoil


def table(name: str, change: Callable[[pa.Table], pa.Table], **how) -> Spoil:
    """Another table, written with pyarrow's own settings, and sealed."""

    def spoil(bundle: Path) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(change(table_of(bundle, name)), sink, **{"compression": "zstd", "store_schema": False, **how})
        replace_table(bundle, name, bytes(sink.getvalue()))

    return spoil


def column(name: str, at: str, make: Callable[[int], pa.Array]) -> Spoil:
    """Another column of its own type."""

    def change(found: pa.Table) -> pa.Table:
        made = make(found.num_rows)
        return found.set_column(found.schema.get_field_index(at), pa.field(at, made.type), made)

    return table(name, change)


def twice(found: pa.Table) -> pa.Table:
    """Every row stands twice."""
    return pa.concat_tables([found, found])


def claimed_rows(bundle: Path) -> None:
    """Metadata that speak of a billion rows: the number is patched in the footer, where it stands as a varint."""
    sink = pa.BufferOutputStream()
    found = pa.Table.from_pylist([{"environment": "e"}] * 999, schema=SCHEMAS["environments"])
    pq.write_table(found, sink, store_schema=False, write_statistics=False)
    content = bytes(sink.getvalue())
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8].replace(b"\xce\x0f", b"\x80\xa8\xd6\xb9\x07")  # 999 and a billion, zigzag
    assert len(footer) > length
    replace_table(bundle, "environments", content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def repeated(found: pa.Table) -> pa.Table:
    """One text of a mebibyte in three hundred rows: small as a file, 300 MiB when written out."""
    many = pa.concat_tables([found.slice(0, 1)] * 300).combine_chunks()
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), ["a" * 2**20])
    return many.set_column(many.schema.get_field_index("name"), "name", names)


def zeros(mebibytes: int) -> Spoil:
    """A page of so many mebibytes of one letter, packed into some kilobytes."""

    def change(found: pa.Table) -> pa.Table:
        long = pa.array(["a" * (mebibytes * 2**20)])
        return found.slice(0, 1).set_column(found.schema.get_field_index("plugins"), "plugins", long)

    return table("environments", change, use_dictionary=False, write_statistics=False)


def bits(seed: int, file: str = "cells.parquet") -> Spoil:
    """A few bits of a file are other ones, sealed all the same; in the footer, where all else hangs on it."""

    def spoil(bundle: Path) -> None:
        content = bytearray((bundle / file).read_bytes())
        length = int.from_bytes(content[-8:-4], "little")
        source = random.Random(seed)
        for _ in range(8):
            content[len(content) - 8 - source.randrange(length)] ^= 1 << source.randrange(8)
        (bundle / file).write_bytes(bytes(content))
        seal(bundle)

    return spoil


def folder_in_place(bundle: Path) -> None:
    """A folder where a file should be."""
    (bundle / "probes.parquet").unlink()
    (bundle / "probes.parquet").mkdir()


def pipe(bundle: Path) -> None:
    """A pipe that nobody writes to: to open it would wait for ever."""
    (bundle / "probes.parquet").unlink()
    os.mkfifo(bundle / "probes.parquet")


def without(file: str) -> Spoil:
    """One file less."""
    return lambda bundle: (bundle / file).unlink()


def drop(name: str, at: str) -> Spoil:
    """One column less."""
    return table(name, lambda found: found.drop_columns([at]))


HOSTILE: dict[str, tuple[Spoil, str]] = {
    # names
    "a name that climbs": (field(name="../../etc"), r"'name': String should match pattern .*'\.\./\.\./etc'"),
    "an absolute name": (field(name="/etc/passwd"), "'name': String should match pattern"),
    "a name of Windows": (field(name="C:\\mine"), "'name': String should match pattern"),
    "a device": (field(name="NUL"), "'NUL' is the name of a device on Windows"),
    "a device with an ending": (field(name="com1.txt"), "is the name of a device on Windows"),
    "a name that ends in a dot": (field(name="mine."), "ends in a dot"),
    "a hidden name": (field(name=".ssh"), "'name': String should match pattern"),
    "an empty name": (field(name=""), "'name': String should match pattern"),
    "a long name": (field(name="a" * 61), "at most 60 characters"),
    "a name with a script": (field(name=SCRIPT), "'name': String should match pattern"),
    "the name of another": (field(name="other"), "the folder must have the same name"),
    "a suite that climbs": (field(suite="../x.toml"), "'suite': String should match pattern"),
    "a tier with a line end": (field(tier="smoke\n"), "'tier': String should match pattern"),
    # texts of the manifest
    "a formula": (field(who="=cmd|'/c calc'!A0"), "a spreadsheet would compute it"),
    "a formula behind a space": (field(who="  @SUM(1)"), "a spreadsheet would compute it"),
    "a formula as a version": (method(version="+1"), r"'methods\.0\.version'.*a spreadsheet would compute it"),
    "colours for the terminal": (field(who="\x1b[31mred"), r"'\\x1b', a character that cannot be printed"),
    "a text that turns around": (field(who="a\u202eb"), r"'\\u202e', a character that cannot be printed"),
    "an end of text": (field(who="a\x00b"), r"'\\x00', a character that cannot be printed"),
    "a long text": (field(who="a" * 1500), "300 characters at most"),
    "nobody": (field(who=""), "'who': String should have at least 1 character"),
    "a script as a row": (method(row=SCRIPT), r"'methods\.0\.row': String should match pattern"),
    "a number as a text": (field(who=7), "'who': Input should be a valid string"),
    # shape of the manifest
    "a key too many": (field(extra=1), "unknown key 'extra'"),
    "a key of a method too many": (method(command="rm"), r"unknown key 'methods\.0\.command'"),
    "no tier": (lambda bundle: seal(bundle, lambda fields: fields.pop("tier")), "'tier' is missing"),
    "no methods": (field(methods=[]), "methods"),
    "a future schema": (field(schema=99), "has schema 99; this ticketbench reads up to 1"),
    "a schema of no time": (field(schema=0), "'schema': Input should be greater than or equal to 1"),
    "a file that no bundle has": (
        lambda bundle: seal(bundle, lambda fields: fields["files"].update({"a.sh": fields["files"]["cells.parquet"]})),
        r"unknown file 'a\.sh'",
    ),
    "a file that climbs": (
        lambda bundle: (bundle / MANIFEST).write_text(
            (bundle / MANIFEST).read_text().replace('"cells.parquet"', '"../cells.parquet"')
        ),
        "changed after",
    ),
    "not UTF-8": (text(b"name = '\xff\xfe'"), "is not UTF-8 from byte 8 on"),
    "not TOML": (text("name = = 1"), "is not valid TOML"),
    "a key twice": (appended('name = "other"'), "is not valid TOML"),
    "an empty manifest": (text(""), "is missing"),
    "nested brackets": (text("a = " + "[" * 1900), "nested too deeply|not valid TOML"),
    "brackets over many lines": (text("a = [\n" + "[\n" * 100_000), "nested too deeply|not valid TOML"),
    "dotted keys": (text(".".join("a" * 900) + " = 1"), "missing|unknown key|nested"),
    "a line without end": (text("a = '" + "b" * 5000 + "'"), "line 1 has 5006 characters"),
    "a manifest of megabytes": (text("#" * 100 + "\n" + ("# " + "x" * 90 + "\n") * 10_000), "it may have 262144"),
    "a number without end": (text("schema = " + "9" * 1900), "schema"),
    "a date of no calendar": (text("schema = 2020-02-31"), "not valid TOML"),
    # hashes
    "a hash that is not": (
        lambda bundle: (bundle / MANIFEST).write_text((bundle / MANIFEST).read_text().replace("Ada", "Eve")),
        "changed after `ticketbench submit` wrote it",
    ),
    "another file than was hashed": (text(b"PAR1" * 20, "cells.parquet"), "bytes; manifest.toml says"),
    "one byte of a file": (
        lambda bundle: (bundle / "probes.parquet").write_bytes((bundle / "probes.parquet").read_bytes()[:-1] + b"2"),
        "has sha256 .*; manifest.toml says",
    ),
    # files
    "one more file": (file_named("run.sh"), r"unknown file 'run\.sh'"),
    "a hidden file": (file_named(".bashrc"), r"unknown file '\.bashrc'"),
    "a file named by escapes": (file_named("\x1b[2J"), r"unknown file '\\x1b\[2J'"),
    "pickles": (file_named("cells.pkl"), r"unknown file 'cells\.pkl'"),
    "no curves": (without("curves.parquet"), r"curves\.parquet is missing"),
    "no manifest": (without(MANIFEST), r"manifest\.toml is missing"),
    "a link out of the folder": (linked("cells.parquet", "/etc/passwd"), r"cells\.parquet is a link"),
    "a link as the manifest": (linked(MANIFEST, "/dev/zero"), r"manifest\.toml is a link"),
    "a link as the verdict": (linked("verdict.toml", "/etc/passwd"), r"verdict\.toml is a link"),
    "a folder as a file": (folder_in_place, "is a link, a folder or a device"),
    "a pipe": (pipe, "is a link, a folder or a device"),
    # Parquet
    "cut in half": (cut("cells.parquet", 0.5), "no Parquet file"),
    "cut at the end": (cut("curves.parquet", 0.99), "no Parquet file"),
    "an empty file": (cut("probes.parquet", 0), "no Parquet file"),
    "a shell script": (
        lambda bundle: replace_table(bundle, "cells", b"#!/bin/sh\nrm -rf /\n"), r"cells\.parquet is no Parquet file"
    ),
    "a footer longer than the file": (
        lambda bundle: replace_table(bundle, "cells", b"PAR1" + b"\x00" * 50 + b"\xff\xff\xff\x7fPAR1"),
        "2147483647 bytes of metadata",
    ),
    "a footer of nothing": (
        lambda bundle: replace_table(bundle, "cells", b"PAR1" + b"\x00" * 50 + b"\x20\x00\x00\x00PAR1"), "is damaged"
    ),
    "a billion rows in the metadata": (claimed_rows, "claims 1000000000 rows; it may have 1000"),
    "too many environments": (
        table("environments", lambda found: pa.concat_tables([found] * 1001)), "claims 1001 rows; it may have 1000"
    ),
    "a column too many": (
        table("cells", lambda found: found.append_column("run", pa.array([1] * found.num_rows))), "unknown column 'run'"
    ),
    "a column of escapes": (
        table("cells", lambda found: found.append_column("\x1b[2J", pa.array([1] * found.num_rows))), r"'\\x1b\[2J'"
    ),
    "a column too few": (drop("cells", "definition"), "column 'definition' is missing"),
    "columns in another order": (table("probes", lambda found: found.select(found.column_names[::-1])), "unknown"),
    "a text as a number": (
        column("cells", "headline", lambda count: pa.array([SCRIPT] * count)), "'headline' holds BYTE_ARRAY STRING"
    ),
    "a number as a key": (column("curves", "key", lambda count: pa.array([1] * count)), "'key' holds INT64"),
    "bytes as a text": (column("cells", "row", lambda count: pa.array([b"\xff"] * count)), "'row' holds BYTE_ARRAY"),
    "numbers of 32 bits": (
        column("cells", "seed", lambda count: pa.array([1] * count, pa.int32())), "'seed' holds INT32"
    ),
    "a list in a column": (
        column("cells", "seed", lambda count: pa.array([[1]] * count)), "column 'seed.list.element' is nested"
    ),
    "a table in a column": (
        column("cells", "error", lambda count: pa.array([{"a": 1}] * count)), r"column 'error\.a' is nested"
    ),
    "metadata with a schema of their own": (
        table("cells", lambda found: found, store_schema=True), "has metadata of its own: 'ARROW:schema'"
    ),
    "another packing": (table("cells", lambda found: found, compression="brotli"), "is packed as BROTLI"),
    "texts by their differences": (
        table("probes", lambda found: found, use_dictionary=False, column_encoding={"name": "DELTA_BYTE_ARRAY"}),
        "a page has encoding 7",
    ),
    "pages of another version": (table("probes", lambda found: found, data_page_version="2.0"), "a page has type 3"),
    "a hundred row groups": (
        table("probes", lambda found: pa.concat_tables([found] * 100), row_group_size=1), "row groups; it may have 64"
    ),
    "a text in a thousand places": (table("probes", repeated), "texts up to column 'name' take 3145[0-9]+ bytes"),
    "a page of 17 MiB": (zeros(17), "unpacks to .* bytes and more; it may take 16777216"),
    **{f"footer with wrong bits {seed}": (bits(seed), ".") for seed in range(8)},
    **{f"curves with wrong bits {seed}": (bits(seed, "curves.parquet"), ".") for seed in range(8, 12)},
    # texts of the tables
    "a script as a model": (value("cells", "model", SCRIPT), "column 'model', row 1: .*It must be a name"),
    "a formula as a row": (value("cells", "row", "=1+1"), "column 'row', row 1: .*a spreadsheet would compute it"),
    "a formula as an error": (value("cells", "error", "\t=1+1"), "a spreadsheet would compute it"),
    "a formula as a probe": (value("probes", "name", "@SUM(A1)"), "a spreadsheet would compute it"),
    "an error with colours": (value("cells", "error", "\x1b[31m"), r"'\\x1b', a character that cannot be printed"),
    "a metric with a line end": (value("curves", "metric", "a\nb"), r"'\\n', a character that cannot be printed"),
    "an environment with an end": (value("environments", "processor", "a\x00"), "cannot be printed"),
    "a huge reason": (value("cells", "reason", "a" * 10**6), "2000 characters at most"),
    "a huge name": (value("curves", "judged_on", "a" * 10**6), "2000 characters at most"),
    "a status of its own": (value("cells", "status", "excellent"), "Valid: ok, failed"),
    # cells
    "every cell twice": (table("cells", twice), "A cell stands once"),
    "a key that is no key": (value("cells", "key", "../../x"), "A key is 20 of the signs"),
    "a key of another cell": (value("cells", "key", "0" * 20), "It is not the hash of the cell's definition"),
    "a column that the key does not say": (value("cells", "model", "mlp"), "It names another cell than the columns"),
    "a density that the key does not say": (value("cells", "density", 0.25), "It names another cell than the columns"),
    "a seed that the key does not say": (value("cells", "seed", 7), "It names another cell than the columns"),
    "a cell of another suite": (value("cells", "suite", "drn"), "row 1: 'drn'. The manifest says 'tiny'"),
    "a cell of another tier": (value("cells", "tier", "paper"), "column 'tier', row 1: 'paper'"),
    "a cell of another version": (value("cells", "suite_version", 2), "column 'suite_version', row 1: 2"),
    "another precision": (field(precision="bf16"), "column 'precision', row 1: 'fp32'. The manifest says 'bf16'"),
    "another device": (field(device_class="cuda"), "column 'device_class', row 1: 'cpu'"),
    "a row that the manifest hides": (
        lambda bundle: seal(bundle, lambda fields: fields["methods"].pop()), r"\[\[methods\]\] must name it"
    ),
    "a row that nobody ran": (
        lambda bundle: seal(bundle, lambda fields: fields["methods"].append({**fields["methods"][0], "row": "best"})),
        "no cell of the row 'best'",
    ),
    "no cells": (table("cells", lambda found: found.slice(0, 0)), "has no rows"),
    "a cell without a key": (value("cells", "key", None), "Every row must have a value here"),
    "a density of zero": (value("cells", "density", 0.0), "the share of weights kept"),
    "a density above one": (value("cells", "density", 1.5), "the share of weights kept"),
    "a density that is no number": (value("cells", "density", float("nan")), "column 'density', row 1: nan"),
    "denser than dense": (value("cells", "exact_density", 1.01), "must lie between 0 and 1"),
    "a density that was not reached": (value("cells", "exact_density", 0.1), "of 40 weights are kept"),
    "more weights than there are": (value("cells", "kept", 41), "There are 40 weights"),
    "a negative time": (value("cells", "train_seconds", -1.0), "must lie between"),
    "an endless time": (value("cells", "draw_seconds", float("inf")), "must lie between"),
    "a negative seed": (value("cells", "seed", -1), "must lie between 0"),
    "finished before there was anything": (value("cells", "finished", 0.0), "column 'finished', row 1: 0.0"),
    "finished in the year 9999": (value("cells", "finished", 253370764800.0), "column 'finished'"),
    "finished before it was started": (value("cells", "started", 1_760_000_000.0), "It was finished before"),
    "judged without a result": (value("cells", "headline", None), "must have a finite one"),
    "a result of no number": (value("cells", "headline", float("nan")), "must have a finite one"),
    "an endless result": (value("cells", "headline", float("inf")), "must have a finite one"),
    "failed without a reason": (value("cells", "status", "failed"), "must say why"),
    "a result that its curve lacks": (value("cells", "headline", 0.9), "own test curve has no such value"),
    "an environment that is not there": (value("cells", "environment", "e9"), "has no such environment"),
    "an environment twice": (table("environments", twice), "It stands once"),
    "curves of no cell": (value("curves", "key", "0" * 20), "cells.parquet has no such cell"),
    "probes of no cell": (value("probes", "key", "0" * 20), "cells.parquet has no such cell"),
    "curves of another attempt": (value("curves", "attempt", 2), "The cell's own attempt is another"),
    "a negative round": (value("curves", "round", -1), "must lie between 0"),
    "better than possible": (
        lambda bundle: [set_value(bundle, "curves", "value", 1.5, 1), set_value(bundle, "cells", "headline", 1.5)],
        r"1\.5 of 'accuracy'\. It is a share",
    ),
    "a curve worse than possible": (value("curves", "value", -0.5, 1), "no such value|It is a share"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_one_clear_message(case, bundle, right):
    """One printable line that names what is wrong; nothing is written, and nothing outside of the folder changes."""
    spoil, message = HOSTILE[case]
    spoil(bundle)
    before = snapshot(bundle.parent)
    with pytest.raises(BundleError, match=message) as refused:
        read_bundle(bundle, read_suite(suite_file(bundle.parent.parent)))
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 700
    assert said.startswith(f"'{str(bundle)[:20]}")
    assert snapshot(bundle.parent) == before


def snapshot(folder: Path) -> dict[str, object]:
    """Every name below a folder, with what is there."""
    return {str(path): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_the_collection_is_as_large_as_it_claims():
    """More than a hundred ways."""
    assert len(HOSTILE) >= 100


NEUTRAL = {
    "a script as who": (field(who=SCRIPT), lambda found: found.manifest.who),
    "markup as an error": (value("cells", "error", "<img onerror=a()>"), lambda found: found.cells()[0]["error"]),
    "Markdown as a reason": (value("cells", "reason", "[x](javascript:a)"), lambda found: found.cells()[0]["reason"]),
    "a template as a processor": (
        value("environments", "system", "{{ 7*7 }}"), lambda found: found.read("environments")["system"][0].as_py()
    ),
    "a query as a commit": (
        value("environments", "commit", "'; DROP TABLE cells"),
        lambda found: found.read("environments")["commit"][0].as_py(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NEUTRAL)
def test_texts_that_only_a_page_could_run_stay_texts(case, bundle):
    """Free text comes back as it was written: whoever shows it escapes it."""
    spoil, read = NEUTRAL[case]
    spoil(bundle)
    assert isinstance(read(read_bundle(bundle)), str)


def test_a_verdict_from_outside_is_held_to_the_same_rules(bundle):
    """None, one of another bundle, one that says more than a verdict may, one that is a bomb."""
    manifest = read_bundle(bundle).manifest
    assert read_verdict(bundle, manifest) is None
    for content, message in (
        (b"schema = 9", "'schema'|missing"),
        (b"a = " + b"[" * 1500, "nested too deeply|not valid"),
        (b"\xff", "not UTF-8"),
        (b"#" * 300_000, "has 300000 bytes"),
    ):
        (bundle / "verdict.toml").write_bytes(content)
        with pytest.raises(BundleError, match=message):
            read_verdict(bundle, manifest)


def test_a_folder_that_is_none_is_one_message(bundle, tmp_path):
    """Not there, a file, a link to a bundle, a name with an end in it."""
    (tmp_path / "link").symlink_to(bundle)
    for path, message in (
        (tmp_path / "nowhere", "cannot read the folder"),
        (bundle / MANIFEST, "cannot read the folder"),
        (tmp_path / "link", "is a link"),
        (Path("a\x00b"), "cannot read the folder"),
    ):
        with pytest.raises(BundleError, match=message):
            read_bundle(path)


# -- anything at all -----------------------------------------------------------------------------------------

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused_or_read(bundle: Path) -> None:
    """Whatever it is, it is read, or refused by name."""
    with suppress(BundleError):
        read_bundle(bundle)


@FUZZ
@given(st.binary(max_size=3000))
def test_any_bytes_are_no_manifest(bundle, content):
    """No bytes raise anything but the named error."""
    (bundle / MANIFEST).write_bytes(content)
    refused_or_read(bundle)


@FUZZ
@given(st.text(alphabet="[]{}=.\"'#\n abz019_-:TZ\\u", max_size=400))
def test_any_text_of_toml_is_no_manifest(bundle, content):
    """Texts made of the signs that TOML is made of."""
    (bundle / MANIFEST).write_text(content)
    refused_or_read(bundle)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@FUZZ
@given(st.sampled_from(["schema", "name", "who", "suite", "suite_version", "hash", "methods", "files", "new"]), PLAIN)
def test_any_value_of_a_field_is_refused_or_right(right, name, content):
    """One field of a manifest in order is anything that TOML can hold."""
    with suppress(BundleError):
        validated(MANIFEST, Manifest, {**fields_of(right), name: content})


@FUZZ
@given(st.sampled_from(sorted(SCHEMAS)), st.binary(max_size=2000))
def test_any_bytes_are_no_table(table, content):
    """With the signs of a Parquet file around them, so that the reader goes on."""
    length = min(len(content), 500).to_bytes(4, "little")
    for whole in (content, b"PAR1" + content + length + b"PAR1"):
        with pytest.raises(BundleError):
            read_table(table, whole)


@FUZZ
@given(
    st.sampled_from(sorted(SCHEMAS)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6)
)
def test_any_bytes_of_a_table_may_be_others(bundle, right, table, changes):
    """A table in order with some bytes changed, and every hash right."""
    content = bytearray((right / f"{table}.parquet").read_bytes())
    for place, byte in changes:
        content[min(len(content) - 1, int(place * len(content)))] = byte
    replace_table(bundle, table, bytes(content))
    refused_or_read(bundle)


LIMITED = """
import resource, sys
from pathlib import Path
from ticketbench.board.bundle import read_bundle
from ticketbench.board.refusal import BundleError
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 200 * 2**20,) * 2)
for name in sys.argv[1:]:
    try:
        read_bundle(Path(name))
    except BundleError as error:
        print(str(error).partition(": ")[2])
"""


def test_memory_is_bounded(right, tmp_path):
    """With 200 MiB to work in, a page of 250 MiB, texts of 300 MiB and a billion rows are refused for what they are."""
    spoils = {
        "environments.parquet unpacks to": zeros(250),
        "probes.parquet: the texts up to column 'name'": table("probes", repeated),
        "environments.parquet claims 1000000000 rows": claimed_rows,
        "manifest.toml is a link": linked(MANIFEST, "/dev/zero"),
        "manifest.toml has 400000000 bytes": lambda bundle: os.truncate(bundle / MANIFEST, 400_000_000),
    }
    bombs = [Path(shutil.copytree(right, tmp_path / str(at) / "mine")) for at in range(len(spoils))]
    for spoil, place in zip(spoils.values(), bombs, strict=True):
        spoil(place)
    done = subprocess.run([sys.executable, "-c", LIMITED, *map(str, bombs)], capture_output=True, text=True, check=True)
    for said, expected in zip(done.stdout.splitlines(), spoils, strict=True):
        assert said.startswith(expected)
