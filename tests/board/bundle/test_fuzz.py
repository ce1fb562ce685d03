"""Anything at all as a bundle: it is read, or refused by name."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from board_bundles import fields_of, replace_table, tiny_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ticketbench.board.bundle.manifest import MANIFEST, Manifest, validated
from ticketbench.board.bundle.parquet import read_table
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.store.tables import SCHEMAS


@pytest.fixture(scope="module")
def right(tmp_path_factory, plugins) -> Path:
    """A bundle in order, that is not to be touched."""
    return tiny_bundle(tmp_path_factory.mktemp("right"), plugins)


@pytest.fixture
def bundle(right, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(right, tmp_path / "submissions" / "mine"))


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
