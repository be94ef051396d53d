"""Links of proxied pages: which are rewritten, and that the rest of the page stays."""

from __future__ import annotations

import gzip
import zlib

import pytest

from apiserver.rest.streams import links

PREFIX = "/api/v1/namespaces/a/pods/b/proxy"
HOSTS = frozenset(("10.244.0.2:80", "cluster.example"))


def rewrite(value: str) -> str:
    return links.rewrite_url(value, PREFIX, HOSTS)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("/x/", PREFIX + "/x/"),
        ("/x?q=1#f", PREFIX + "/x?q=1#f"),
        ("/a/../b", PREFIX + "/b"),
        (PREFIX + "/x", PREFIX + "/x"),
        ("x/y", "x/y"),
        ("", ""),
        ("#top", "#top"),
        ("http://10.244.0.2:80/x", PREFIX + "/x"),
        ("https://cluster.example/x", PREFIX + "/x"),
        ("https://elsewhere.example/x", "https://elsewhere.example/x"),
        ("http://[", "http://["),
    ],
)
def test_urls(value: str, wanted: str) -> None:
    assert rewrite(value) == wanted


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ('<a href="/rewriteme">test</a>', f'<a href="{PREFIX}/rewriteme">test</a>'),
        ("<A HREF=/x>", f'<a href="{PREFIX}/x">'),
        ("<img src='/a.png' alt='/a.png' />", f'<img src="{PREFIX}/a.png" alt="/a.png"/>'),
        ("<p title='\"<&'>&amp;é < 3</p>", '<p title="&#34;&lt;&amp;">&amp;é < 3</p>'),
        ("<!-- <a href='/x'> --><!DOCTYPE html>", "<!-- <a href='/x'> --><!DOCTYPE html>"),
        ("<script>if (a < b) '<a href=\"/x\">'</script>", "<script>if (a < b) '<a href=\"/x\">'</script>"),
        ("<input disabled><a href='/x", '<input disabled=""><a href=\'/x'),
    ],
)
def test_pages(page: str, wanted: str) -> None:
    assert links.rewrite_page(page, rewrite) == wanted


def test_packed_bodies_are_packed_again_and_bytes_that_are_no_text_survive() -> None:
    page, wanted = b'<a href="/x">\xff</a>', f'<a href="{PREFIX}/x">'.encode() + b"\xff</a>"
    assert links.rewrite_body(page, "", rewrite) == wanted
    assert gzip.decompress(links.rewrite_body(gzip.compress(page), "gzip", rewrite)) == wanted
    packer = zlib.compressobj(wbits=-15)
    deflated = packer.compress(page) + packer.flush()
    assert zlib.decompress(links.rewrite_body(deflated, "deflate", rewrite), -15) == wanted
    assert links.rewrite_body(b"?", "br", rewrite) == b"?"
