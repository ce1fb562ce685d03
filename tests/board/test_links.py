"""A submission's code and paper: addresses that are checked, carried by its manifest, and shown as links."""

from __future__ import annotations

import pytest
from board_bundles import fields_of, seal, tiny_bundle, tiny_store
from chrome import BROWSER, Browser
from places import STRANGER

from ticketbench.board.build import build_boards
from ticketbench.board.bundle.address import RIGHT, host_of, web_address
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.board.submission import from_bundle
from ticketbench.board.suites import Suites
from ticketbench.board.words import links_of

CODE, PAPER = "https://github.com/you/code?tab=readme&v=2", "https://arxiv.org/abs/1803.03635"
LOCAL_SIGNS = ("javascript:alert(1)", "http://github.com/you", "https://", "https://localhost/x", "https://10.0.0.1/x")
MORE_SIGNS = (
    "https://you@github.com/",
    "https://github.com:22/",
    "https://GitHub.com/",
    "https://a..b.com/",
    "ftp://a.bc",
)
MARKUP = (
    'https://a.bc/"onclick=x',
    "https://a.bc/)(x",
    "https://a.bc/<b>",
    "https://a.bc/ x",
    "https://a.bc/\n",
    "https://a.bc/é",
)
MORE_MARKUP = (
    "https://a.bc/[x]",
    "https://a.bc/`x`",
    "https://a.bc/\\x",
    "https://gіthub.com/",
    "https://a.bc/" + "x" * 200,
)


@pytest.mark.parametrize("address", [*LOCAL_SIGNS, *MORE_SIGNS, *MARKUP, *MORE_MARKUP])
def test_what_is_no_address_of_the_web_is_refused(address):
    """Other schemes, hosts without a name, users and ports, markup, letters that look like others, endless ones."""
    with pytest.raises(ValueError, match="It must be an address such as") as error:
        web_address(address)
    assert str(error.value).endswith(RIGHT)
    assert host_of(address) == ""
    assert links_of({"repository": address}) == []


def test_addresses_are_taken_as_they_are():
    """With a path, a query, a fragment, or the host alone."""
    for address in (CODE, PAPER, "https://a.bc", "https://a-b.xn--p1ai/~you/x#L1,2;3=@:%20+"):
        assert web_address(address) == address
    assert host_of(CODE) == "github.com"


def test_a_bundle_without_links_is_the_same_as_ever(tmp_path, plugins):
    """No key for what was not said; an address in a manifest that is no address is refused, sealed or not."""
    bundle = tiny_bundle(tmp_path, plugins)
    assert {"code", "paper"} & set(fields_of(bundle)) == set()
    assert links_of(from_bundle(read_bundle(bundle))[0].facts) == []
    with pytest.raises(BundleError, match=r"the manifest: 'code': 'github.com/you'\. It must be an address"):
        tiny_bundle(tmp_path / "other", plugins, code="github.com/you")
    seal(bundle, lambda fields: fields.update(paper="javascript:alert(1)"))
    with pytest.raises(BundleError, match=r"manifest\.toml: 'paper': 'javascript:alert\(1\)'\. It must be an address"):
        read_bundle(bundle)


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed (apt-get install chromium)")
def test_boards_show_both_as_links(ticketbench, tmp_path, plugins):
    """From the command into the manifest; in Markdown with the host in words; on the page, in the list and in a record,
    saying nothing of the reader."""
    tiny_store(tmp_path, plugins)
    words = ("submit", "--suite", "tiny.toml", "--tier", "smoke", "--plugin", STRANGER, "--name", "mine")
    done = ticketbench(*words, "--who", "Ada", "--code", CODE, "--paper", PAPER)
    assert (done.returncode, done.stderr) == (0, "")
    root = tmp_path / "leaderboards"
    fields = fields_of(root / "tiny/smoke/submissions/mine")
    assert (fields["code"], fields["paper"]) == (CODE, PAPER)
    build_boards(root, Suites(plugins))
    readme = (root / "tiny/smoke/README.md").read_text()
    assert "; [repository on github.com](https://github.com/you/code?tab=readme&amp;v=2)" in readme
    assert f"; [paper on arxiv.org]({PAPER})" in readme
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(root / "tiny/smoke/index.html")
        browser.wait("document.querySelectorAll('#entries tbody tr').length > 1")
        browser.click("#entries tbody a")
        browser.wait("document.querySelector('#record').open")
        for place in ("#submissions", "#record"):
            links = f"[...document.querySelectorAll('{place} a[rel]')]"
            assert browser.run(f"{links}.map((it) => [it.textContent, it.href, it.rel])") == [
                ["repository on github.com", CODE, "noopener noreferrer nofollow"],
                ["paper on arxiv.org", PAPER, "noopener noreferrer nofollow"],
            ]
        assert browser.console == []
        assert browser.proxy.seen == []
    finally:
        browser.close()
