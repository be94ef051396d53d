"""Links of a proxied page, rewritten to lead through the proxy again. Pure.

Upstream: apimachinery pkg/util/proxy/transport.go.
"""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import urlsplit, urlunsplit

_SOURCES = frozenset(("longdesc", "src"))
_HREF, _CITE, _SRC = frozenset(("href",)), frozenset(("cite",)), frozenset(("src",))
_ATTRIBUTES: dict[str, frozenset[str]] = {
    "a": _HREF, "applet": frozenset(("codebase",)), "area": _HREF, "audio": _SRC, "base": _HREF, "blockquote": _CITE,
    "body": frozenset(("background",)), "button": frozenset(("formaction",)), "command": frozenset(("icon",)), "del": _CITE,
    "embed": _SRC, "form": frozenset(("action",)), "frame": _SOURCES, "head": frozenset(("profile",)), "html": frozenset(("manifest",)),
    "iframe": _SOURCES, "img": _SOURCES | {"usemap"}, "input": frozenset(("src", "usemap", "formaction")), "ins": _CITE, "link": _HREF,
    "object": frozenset(("classid", "codebase", "data", "usemap")), "q": _CITE, "script": _SRC, "source": _SRC,
    "video": frozenset(("poster", "src")),
}  # fmt: skip
_ESCAPES = str.maketrans({"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "\r": "&#13;"})


def rewrite_url(value: str, prefix: str, hosts: frozenset[str]) -> str:
    """`value` under `prefix` when it is an absolute path, or a URL of one of `hosts` (the page's own); else unchanged."""
    try:
        url = urlsplit(value)
    except ValueError:
        return value
    if (url.netloc and url.netloc not in hosts) or not url.path.startswith("/"):
        return value
    path = url.path
    if not path.startswith(prefix):
        path = posixpath.normpath(prefix + path) + ("/" if path.endswith("/") else "")
    return urlunsplit(("", "", path, url.query, url.fragment))


class _Tags(HTMLParser):
    """Notes (start, end, replacement) of every start tag."""

    def __init__(self, rewrite: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=False)
        self._rewrite = rewrite
        self._attributes: list[tuple[str, str | None]] = []
        self._tag = ""
        self.found: list[tuple[int, int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag, self._attributes = tag, attrs

    def parse_starttag(self, i: int) -> int:
        self._tag = ""
        end = super().parse_starttag(i)
        if end > i and self._tag:
            links = _ATTRIBUTES.get(self._tag, frozenset())
            values = [(k, self._rewrite(v or "") if k in links else v or "") for k, v in self._attributes]
            closing = "/>" if (self.get_starttag_text() or "").endswith("/>") else ">"
            text = "".join(f' {k}="{v.translate(_ESCAPES)}"' for k, v in values)
            self.found.append((i, end, f"<{self._tag}{text}{closing}"))
        return end


def rewrite_page(page: str, rewrite: Callable[[str], str]) -> str:
    """The page with the links in its tags rewritten; all but start tags stays as it is."""
    parser = _Tags(rewrite)
    parser.feed(page)  # at once: the offsets are those of the whole page
    out, at = [], 0
    for start, end, text in parser.found:
        out += [page[at:start], text]
        at = end
    return "".join([*out, page[at:]])


def rewrite_body(body: bytes, encoding: str, rewrite: Callable[[str], str]) -> bytes:
    """The body of a page, packed as `encoding` (Content-Encoding) says; packed in a way unknown here it stays. Raises zlib.error."""
    wbits = {"": 0, "gzip": 16 + zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS}.get(encoding)
    if wbits is None:
        return body
    plain = zlib.decompress(body, wbits) if wbits else body
    page = rewrite_page(plain.decode("utf-8", "surrogateescape"), rewrite).encode("utf-8", "surrogateescape")
    if not wbits:
        return page
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(page) + packer.flush()
