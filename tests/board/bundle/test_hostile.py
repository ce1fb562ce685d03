"""Folders and manifests from someone who means harm: each is refused with one clear message, or holds nothing that
can do any. Their tables are in `test_board_hostile_values.py` and `test_board_hostile_parquet.py`."""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import chdir
from pathlib import Path

import pytest
from board_bundles import seal, set_environment, tiny_bundle
from board_spoils import (
    SCRIPT,
    Spoil,
    appended,
    check_refusal,
    field,
    file_named,
    folder_in_place,
    linked,
    method,
    pipe,
    text,
    value,
    without,
)

from ticketbench.board.bundle.manifest import MANIFEST
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.board.verdict import read_verdict


@pytest.fixture(scope="module")
def right(tmp_path_factory, plugins) -> Path:
    """A bundle in order, that is not to be touched."""
    return tiny_bundle(tmp_path_factory.mktemp("right"), plugins)


@pytest.fixture
def bundle(right, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(right, tmp_path / "submissions" / "mine"))


def deep_name(bundle: Path) -> None:
    """A name that is 1,900 tables in each other: to show it as it stands would take as many calls."""
    lines = (bundle / MANIFEST).read_text().split("\n")
    rest = [line for line in lines if not line.startswith("name = ")]
    deep = f"[name{'.a' * 950}]\n{'b.' * 950}c = 1"
    (bundle / MANIFEST).write_text("\n".join([*rest, deep]) + "\n")


def socket_in_place(bundle: Path) -> None:
    """A socket where a file should be."""
    (bundle / "probes.parquet").unlink()
    with socket.socket(socket.AF_UNIX) as made, chdir(bundle):  # a socket's address is a short path
        made.bind("probes.parquet")


def hard_link(bundle: Path) -> None:
    """A second name of a file that lies outside."""
    outside = bundle.parent / "outside"
    outside.write_text("secret")
    (bundle / "probes.parquet").unlink()
    os.link(outside, bundle / "probes.parquet")


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
    "a letter that looks like another": (field(name="\u212aate"), "'name': String should match pattern"),
    "a device with a small figure": (field(name="com\u00b9"), "'name': String should match pattern"),
    "a name that ends in a space": (field(name="mine "), "'name': String should match pattern"),
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
    "a formula in wide letters": (field(who="＝1+1"), "a spreadsheet would compute it"),
    "a text of letters that nobody sees": (field(who="\u3164\u115f"), r"'\\u3164', a character that cannot be printed"),
    "a text that hides another": (field(who="Ada\U000e0101"), r"'\\U000e0101', a character that cannot be printed"),
    "a space without width": (field(who="Ad\u200ba"), r"'\\u200b', a character that cannot be printed"),
    "a blank": (field(who="   "), "is blank"),
    "marks upon marks": (field(who="a" + "\u0301" * 200), "stacks marks on a letter"),
    "half of a character": (
        lambda bundle: (bundle / MANIFEST).write_text((bundle / MANIFEST).read_text().replace("Ada", r"\ud800")),
        "not valid TOML",
    ),
    # shape of the manifest
    "a key too many": (field(extra=1), "unknown key 'extra'"),
    "a key of a method too many": (method(command="rm"), r"unknown key 'methods\.0\.command'"),
    "no tier": (lambda bundle: seal(bundle, lambda fields: fields.pop("tier")), "'tier' is missing"),
    "no methods": (field(methods=[]), "methods"),
    "a future schema": (field(schema=99), "has schema 99; this ticketbench reads up to 3"),
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
    "a truth as a schema": (field(schema=True), "'schema': Input should be a valid integer"),
    "a fraction as a schema": (field(schema=1.0), "'schema': Input should be a valid integer"),
    "twenty thousand keys": (text("".join(f"k{at} = 1\n" for at in range(20_000))), "missing|unknown key"),
    "forty thousand tables": (text("[[methods]]\n" * 18_000), "missing"),
    "a table in a table in a table": (deep_name, "nested too deeply|'name': Input should be a valid string"),
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
    "a socket": (socket_in_place, "is a link, a folder or a device"),
    "a link to itself": (linked("cells.parquet", "cells.parquet"), "is a link, a folder or a device"),
    "a file of holes, a tebibyte long": (
        lambda bundle: os.truncate(bundle / "cells.parquet", 2**40),
        "has 1099511627776 bytes; it may have 67108864",
    ),
    "another's file under its name": (hard_link, "bytes; manifest.toml says"),
    "a file named in no language": (lambda bundle: open(os.fsencode(bundle) + b"/\xff", "w").close(), "unknown file"),
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
}


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_one_clear_message(case, bundle):
    """And nothing is written."""
    check_refusal(bundle, *HOSTILE[case])


def test_the_collection_is_as_large_as_it_claims():
    """More than fifty ways."""
    assert len(HOSTILE) >= 50


NEUTRAL = {
    "a script as who": (field(who=SCRIPT), lambda found: found.manifest.who),
    "markup as an error": (value("cells", "error", "<img onerror=a()>"), lambda found: found.cells()[0].error),
    "Markdown as a reason": (value("cells", "reason", "[x](javascript:a)"), lambda found: found.cells()[0].reason),
    "a template as a system": (
        lambda bundle: set_environment(bundle, "system", "{{ 7*7 }}"),
        lambda found: found.read("environments")["system"][0].as_py(),
    ),
    "a query as a commit": (
        lambda bundle: set_environment(bundle, "commit", "'; DROP TABLE cells"),
        lambda found: found.read("environments")["commit"][0].as_py(),
    ),
}


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
