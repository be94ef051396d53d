"""Pages of a list: a token is good as long as the history that it is from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.rest import continuation, params
from apiserver.rest.selection import EVERYTHING, Selection
from apiserver.rest.verbs import list as verb
from apiserver.rest.verbs.list import read
from apiserver.storage.entry import Entry
from apiserver.storage.interface import Compacted
from kubepy.api import errors
from kubepy.api.kinds import RESOURCES

SERVED: Any = SimpleNamespace(resource=next(r for r in RESOURCES if r.plural == "podtemplates"))
SCOPE = SERVED.resource.storage_prefix + "ns/"


class Cacher:
    """Nothing has changed since revision 5; the store is at 9."""

    revision = 9

    async def fresh(self) -> None:
        pass

    def generation(self, prefix: str) -> int:
        return 5

    def page(self, prefix: str, namespace: str | None, after: str, limit: int) -> tuple[list[Any], int]:
        return [SimpleNamespace(key=f"{SCOPE}b")], 3


def registry(oldest: int) -> Any:
    async def range(scope: str, *, after: str, limit: int, revision: int) -> None:
        assert (scope, limit) == (SCOPE, 1)
        if revision < oldest:
            raise Compacted(oldest)

    return SimpleNamespace(cacher=Cacher(), storage=SimpleNamespace(range=range))


async def page(oldest: int, revision: int) -> Any:
    options = params.ListOptions(limit=1, token=continuation.encode(revision, "a"))
    return await read(registry(oldest), SERVED, "ns", options, EVERYTHING)


async def test_a_token_goes_on_where_its_history_is_kept() -> None:
    found = await page(oldest=5, revision=7)
    assert (found.revision, found.remaining) == (7, 3)


async def test_a_token_ends_with_its_history_although_nothing_has_changed() -> None:
    with pytest.raises(errors.Gone) as raised:
        await page(oldest=8, revision=7)
    token = raised.value.status()["metadata"]["continue"]
    assert continuation.decode(token) == (-1, "a")


async def test_the_token_of_that_error_goes_on_at_the_present() -> None:
    assert (await page(oldest=8, revision=-1)).revision == 9


@pytest.mark.parametrize(
    ("version", "token", "message"),
    [
        ("x", "", 'invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'),
        (str(1 << 64), "", rf'invalid resource version: .* parsing "{1 << 64}": value out of range'),
        ("x", "abc", "invalid continue token: "),
        ("1", continuation.encode(7, "a"), "specifying resource version is not allowed when using continue"),
    ],
)
async def test_what_a_list_cannot_start_from(version: str, token: str, message: str) -> None:
    options = params.ListOptions(version=version, token=token)
    with pytest.raises(errors.BadRequest, match=message):
        await read(registry(oldest=1), SERVED, "ns", options, EVERYTHING)


async def test_a_list_of_one_name_has_no_pages() -> None:
    options = params.ListOptions(limit=1, token="abc")
    found = await read(SimpleNamespace(cacher=One()), SERVED, "ns", options, Selection(lambda _: True, name="b"))  # type: ignore[arg-type]
    assert [e.key for e in found.entries] == [f"{SCOPE}b"]


class One(Cacher):
    """One object, found by its key."""

    def get(self, prefix: str, key: str) -> Any:
        return SimpleNamespace(key=key)


@pytest.mark.parametrize("form", [verb._item, verb._whole])
async def test_a_long_list_in_pieces_is_the_list(monkeypatch: pytest.MonkeyPatch, form: Any) -> None:
    monkeypatch.setattr(verb, "_PIECE", 3)
    raw = b'{"kind":"A","apiVersion":"v1","metadata":{"name":"n%d"}}'
    entries = [Entry(f"k{n}", n, raw % n, "", f"n{n}") for n in range(10)]
    sent: list[Any] = []

    async def respond_large(_status: int, _headers: bytes, size: int, parts: Any) -> None:
        sent.extend((size, b"".join(parts)))

    req: Any = SimpleNamespace(head=lambda: b"", exchange=SimpleNamespace(respond_large=respond_large))
    await verb._stream(req, b'{"items":[', entries, form)
    size, body = sent
    assert len(body) == size
    assert body == b'{"items":[' + b",".join(form(e) for e in entries) + b"]}\n"
