"""Strategic merge patch: a merge patch whose lists may merge by key, steered by directives. Inputs are never mutated.

Directives: `$patch: replace|delete` in a map or a list's element, `$retainKeys`, `$deleteFromPrimitiveList/<list>`,
`$setElementOrder/<list>`. Which lists merge and by what key comes from the type (apimachinery pkg/util/strategicpatch/patch.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubepy.api.patch.errors import PatchError, go_kind, go_print

if TYPE_CHECKING:
    from kubepy.api.schema import Node

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"

Map = dict[str, Any]


def apply_strategic_patch(doc: Map, patch: Any, node: Node | None) -> Map:
    """The document of type `node` with the patch merged in; raises PatchError with upstream's message and code."""
    if not isinstance(patch, dict):
        raise PatchError(f"json: cannot unmarshal {go_kind(patch)} into Go value of type map[string]interface {{}}")
    return _merge_map(doc, patch, node)


def _bad(detail: str) -> PatchError:
    """The errors upstream has no code for, which become plain 500s."""
    return PatchError(detail, 500)


def _no_merge_key(item: Map, key: str) -> PatchError:
    return _bad(f"map: {go_print(item)} does not contain declared merge key: {key}")


def _go_type(value: Any) -> str:
    """The Go type of a decoded JSON value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "[]interface {}"
    return "%!s(<nil>)" if value is None else "map[string]interface {}"


def _expect_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _bad(f"expected a []interface {{}}, but received a {_go_type(value)}")
    return value


def _child(node: Node | None, key: str) -> tuple[Node | None, frozenset[str], str]:
    """The type of a member, its patch strategies and its merge key."""
    if node is None:
        return None, frozenset(), ""
    if node.fields and key in node.fields:
        child = node.fields[key]
        return child, frozenset((child.patch_strategy or "").split(",")), child.patch_merge_key or ""
    if node.type == "map":
        return node.items, frozenset(), ""
    if node.type == "object" and node.fields:
        raise _bad(f'unable to find api field in struct {_struct_name(node)} for the json field "{key}"')
    return None, frozenset(), ""


def _struct_name(node: Node) -> str:
    return (node.ref or "").rpartition(".")[2]


def _merge_map(original: Map, patch: Map, node: Node | None) -> Map:
    if _PATCH in patch:
        if patch[_PATCH] == "replace":
            return {k: v for k, v in patch.items() if k != _PATCH}
        if patch[_PATCH] == "delete":
            return {}
        raise _bad(f"unknown patch type: {go_print(patch[_PATCH])} in map: {go_print(patch)}")
    out, patch = dict(original), dict(patch)
    _retain_keys(out, patch)
    _order_lists(out, patch, node)
    for key, value in patch.items():
        deletes = key.startswith(_DELETE)
        if deletes:
            key = _strip(key, _DELETE, "invalid patch format of primitive list")
        if value is None:
            out.pop(key, None)
            continue
        current = out.get(key)
        if key in out and isinstance(current, dict) and isinstance(value, dict):
            child, strategies, _ = _child(node, key)
            out[key] = value if "replace" in strategies else _merge_map(current, value, child)
        elif key in out and isinstance(current, list) and isinstance(value, list):
            child, strategies, merge_key = _child(node, key)
            out[key] = _merge_lists(current, value, child, strategies, merge_key, deletes)
        elif not deletes or (key in out and _go_type(current) == _go_type(value)):
            cleaned, keep = _clean(value, drop_nulls=key not in out or _go_type(current) != _go_type(value))
            if keep:
                out[key] = cleaned
            else:
                out.pop(key, None)
    return out


def _strip(key: str, prefix: str, error: str) -> str:
    head, slash, rest = key.partition("/")
    if not slash or head != prefix:
        raise PatchError(error)
    return rest


def _retain_keys(out: Map, patch: Map) -> None:
    """Apply `$retainKeys`: what the list does not name leaves the original; the patch may name nothing else."""
    if _RETAIN not in patch:
        return
    retained = patch.pop(_RETAIN)
    if not isinstance(retained, list):
        raise PatchError("invalid patch format of retainKeys")
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE, _ORDER)) and key not in retained:
            raise PatchError("invalid patch format of retainKeys")
    for key in [k for k in out if k not in retained]:
        del out[key]


def _clean(value: Any, *, drop_nulls: bool) -> tuple[Any, bool]:
    """A value taken over whole, without directives and nulls; False when it was nothing but a directive."""
    if isinstance(value, dict):
        if _PATCH in value:
            return None, False
        out = {}
        for k, v in value.items():
            if v is None and drop_nulls:
                continue
            v, keep = _clean(v, drop_nulls=drop_nulls)
            if keep:
                out[k] = v
        return out, True
    if isinstance(value, list):
        cleaned = (_clean(v, drop_nulls=drop_nulls) for v in value)
        return [v for v, keep in cleaned if keep], True
    return value, True


def _merge_lists(
    original: list[Any], patch: list[Any], node: Node | None, strategies: frozenset[str], merge_key: str, deletes: bool
) -> list[Any]:
    """Lists with strategy merge, and deletions from lists of primitives; other lists are replaced."""
    if "merge" not in strategies and not deletes:
        return patch
    if not original and not patch:
        return original
    item = node.items if node is not None else None
    if _element_type([original, patch]) != "map[string]interface {}":
        if deletes:
            return [v for v in original if v not in patch]
        merged = _deduplicate(original + patch)
        return _reorder(merged, patch, original, "")
    if not merge_key:
        raise _bad(f"cannot merge lists without merge key for {'struct' if item is not None and item.fields else 'map'}")
    original, patch = _special_elements(original, patch, merge_key)
    merged = list(original)
    for element in patch:
        if merge_key not in element:
            raise _no_merge_key(element, merge_key)
        at = _find(merged, merge_key, element[merge_key])
        if at < 0:
            merged.append(element)
        else:
            merged[at] = _merge_map(merged[at], element, item)
    return _reorder(merged, patch, original, merge_key)


def _element_type(lists: list[list[Any]]) -> str:
    kinds = {_go_type(v) for values in lists for v in values}
    if "[]interface {}" in kinds:
        raise PatchError("lists of lists are not supported", 422)
    if len(kinds) > 1:
        raise _bad(f"list element types are not identical: {go_print(lists)}")
    if not kinds:
        raise _bad("no elements in any of the given slices")
    return kinds.pop()


def _deduplicate(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for v in values:
        if v not in out:
            out.append(v)
    return out


def _special_elements(original: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """Carry out the elements that are directives; what remains of both lists is merged."""
    plain: list[Any] = []
    replace = False
    for element in patch:
        directive = element.get(_PATCH)
        if _PATCH not in element:
            plain.append(element)
        elif directive == "delete":
            if merge_key not in element:
                raise _no_merge_key(element, merge_key)
            original = [o for o in original if not (merge_key in o and o[merge_key] == element[merge_key])]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise _bad("merging lists cannot yet be specified in the patch")
        else:
            raise _bad(f"unknown patch type: {go_print(directive)} in map: {go_print(element)}")
    return (plain, []) if replace else (original, plain)


def _find(values: list[Any], merge_key: str, value: Any) -> int:
    """Where the element with that merge key (or, without one, that primitive) is; -1 when nowhere."""
    for i, v in enumerate(values):
        if not merge_key:
            if v == value:
                return i
        elif not isinstance(v, dict):
            raise _bad(f"value for key {i} is not a map")
        elif merge_key in v and v[merge_key] == value:
            return i
    return -1


def _position(values: list[Any], element: Any, merge_key: str) -> int:
    return _find(values, merge_key, element[merge_key] if merge_key else element)


def _reorder(merged: list[Any], wanted: list[Any], live: list[Any], merge_key: str) -> list[Any]:
    """Order: what `wanted` names as it says, the rest as in `live`, interleaved by the order of `live` as far as possible."""
    if merge_key:
        for element in merged:
            if not isinstance(element, dict):
                raise _bad(f"expected a map[string]interface {{}}, but received a {_go_type(element)}")
            if merge_key not in element:
                raise _no_merge_key(element, merge_key)
    named = sorted(((_position(wanted, e, merge_key), e) for e in merged if _position(wanted, e, merge_key) >= 0), key=lambda p: p[0])
    others = sorted(((_position(live, e, merge_key), e) for e in merged if _position(wanted, e, merge_key) < 0), key=lambda p: p[0])
    right, left = [e for _, e in named], [e for _, e in others]
    out: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        at_left, at_right = _position(live, left[i], merge_key), _position(live, right[j], merge_key)
        if 0 <= at_left < at_right:
            out.append(left[i])
            i += 1
        else:
            out.append(right[j])
            j += 1
    return out + left[i:] + right[j:]


def _order_lists(out: Map, patch: Map, node: Node | None) -> None:
    """Apply every `$setElementOrder/<list>` together with the patch of that list, and take both out of the patch."""
    for directive in [k for k in patch if k.startswith(_ORDER)]:
        order = _expect_list(patch.pop(directive))
        key = _strip(directive, _ORDER, "invalid patch format of setElementOrder list")
        if key not in out and patch.get(key) is None:
            continue
        live = _expect_list(out[key]) if key in out else None
        change = _expect_list(patch[key]) if key in patch else None
        child, strategies, merge_key = _child(node, key)
        _check_order(change or [], order, merge_key)
        if live is None:
            merged = _clean(change, drop_nulls=True)[0]
        elif change is None:
            merged = live
        else:
            merged = _merge_lists(live, change, child, strategies, merge_key, False)
        _element_type([live or [], change or []])
        out[key] = _reorder(merged, order, live or [], merge_key)
        patch.pop(key, None)


def _check_order(change: list[Any], order: list[Any], merge_key: str) -> None:
    """The patch's own elements must appear in the order list, in the same order."""
    if not order or not change:
        return
    plain = [v for v in change if not (isinstance(v, dict) and _PATCH in v)]
    at = 0
    for element in order:
        if at < len(plain) and _key_of(plain[at], merge_key) == _key_of(element, merge_key):
            at += 1
    if at < len(plain):
        raise _bad(f"The order in patch list:\n{go_print(change)}\n doesn't match {_ORDER} list:\n{go_print(order)}\n")


def _key_of(element: Any, merge_key: str) -> Any:
    if not merge_key:
        return element
    if not isinstance(element, dict):
        raise _bad(f"expected a map[string]interface {{}}, but received a {_go_type(element)}")
    if merge_key not in element:
        raise _no_merge_key(element, merge_key)
    return element[merge_key]
