"""What a report of pytest says becomes rows, and what failed a mismatch."""

from __future__ import annotations

from pathlib import Path

from places import TESTS

from benchmarks.gpu.kernel_checks import COLUMNS, marked, read_report
from benchmarks.gpu.results import Section

REPORT = """<testsuites><testsuite>
<testcase classname="a" name="one"/><testcase classname="a" name="two"><skipped message="no GPU"/></testcase>
<testcase classname="b" name="three"><failure message="assert 1 == 2&#10;more">…</failure></testcase>
<testcase classname="b" name="four"><error message="fixture"/></testcase>
</testsuite></testsuites>"""


def test_tests_are_counted_by_file_and_failures_are_kept(tmp_path: Path):
    """Passed, failed (errors are failures), skipped."""
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")
    section = Section("kernels", "K", COLUMNS)
    read_report(tmp_path / "report.xml", section)
    assert [tuple(row.values()) for row in section.rows] == [("a", 1, 0, 1), ("b", 0, 2, 0)]
    assert section.mismatches == ["three: assert 1 == 2", "four: fixture"]


def test_the_files_with_tests_for_a_gpu_are_found():
    """By their marks; a file without one is not collected."""
    names = {Path(path).name for path in marked(TESTS)}
    assert {"test_update.py", "test_product.py", "test_gate_launches.py"} <= names
    assert "test_tiles.py" not in names
