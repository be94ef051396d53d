from __future__ import annotations

import re
from typing import Any

import pytest

from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment, dyn_environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.schema import declare
from kubepy.api.cel.values import CelError, plain

SELF = t.object_type("object", {
    "a": t.Field(t.INT, "a"), "n": t.Field(t.STRING, "n"), "l": t.Field(t.list_of(t.STRING), "l"),
    "m": t.Field(t.map_of(t.STRING, t.INT), "m"), "x__dash__y": t.Field(t.BOOL, "x-y"),
})  # fmt: skip
ENV = Environment({"self": SELF, "d": t.DYN}, without=frozenset())
DATA: dict[str, Any] = {
    "self": {"a": 3, "n": "abc", "l": ["x", "y"], "m": {"k": 1}, "x-y": True},
    "d": {"a": {"b": [1, 2.5, "s"]}, "one": 1, "yes": True, "none": None},
}


def run(source: str) -> Any:
    return ENV.compile(source).eval(DATA)


@pytest.mark.parametrize(
    "source",
    [
        "self.a + 1 == 4 && self.a * 2 - 6 == 0 && -7 / 2 == -3 && -7 % 3 == -1",
        "self.n.startsWith('a') && self.n.endsWith('c') && self.n.contains('b') && self.n.matches('^[a-c]+$') && self.n.size() == 3",
        "self.l.all(x, size(x) == 1) && self.l.exists(x, x == 'y') && self.l.exists_one(x, x == 'x')",
        "self.l.map(x, x + '!') == ['x!', 'y!'] && self.l.filter(x, x > 'x') == ['y'] && [1, 2].map(x, x > 1, x * 2) == [4]",
        "self.m.all(k, self.m[k] == 1) && 'k' in self.m && !('z' in self.m) && 3 in [1, 3]",
        "self.m.transformMap(k, v, v + 1) == {'k': 2} && self.l.transformList(i, v, i) == [0, 1] && self.l.all(i, v, i < 2 && v != '')",
        "self.x__dash__y",
        "has(self.a) && !has(d.a.c) && has(d.a.b)",
        "d.?a.?c.orValue(3) == 3 && d.?a.b[?9].orValue(0) == 0 && optional.of(2).optMap(v, v * 2).value() == 4",
        "[?optional.none(), 1] == [1] && {?'a': optional.of(1)} == {'a': 1}",
        "d.one == 1.0 && d.one != 2 && d.yes != 1 && d.none == null && dyn(1u) == 1 && 2.0 > 1",
        "type(self.a) == int && type(d.a.b[1]) == double && type(self.l) == list && type(d.none) == null_type",
        "int('12') == 12 && string(1.0) == '1' && double('1.5') == 1.5 && bool('true') && uint(3) == 3u && string(b'ab') == 'ab'",
        "duration('1h30m') > duration('80m') && string(duration('90s')) == '90s' && duration('1h').getMinutes() == 60",
        "timestamp('2024-02-29T10:00:00Z') + duration('24h') == timestamp('2024-03-01T10:00:00Z')",
        "timestamp('2024-02-29T10:00:00Z').getMonth() == 1 && timestamp('2024-02-29T23:30:00Z').getHours('+02:00') == 1",
        "(self.a > 100 ? 'big' : 'small') == 'small'",
        r"""'a\tb' == 'a' + '\x09' + 'b' && r'\d' == '\\d' && '''it's''' == "it's\"".replace('"', '')""",
        "cel_free || true",
        "d.nope.x || self.a == 3",
        "!(d.nope.x && self.a == 4)",
    ],
)
def test_true_expressions(source: str) -> None:
    env = Environment({"self": SELF, "d": t.DYN, "cel_free": t.BOOL})
    assert env.compile(source).eval(DATA) is True


@pytest.mark.parametrize(
    "source",
    [
        "'tEst'.lowerAscii() + 'x'.upperAscii() == 'testX' && 'a,b,c'.split(',', 2) == ['a', 'b,c'] && ['a', 'b'].join('-') == 'a-b'",
        "'hello'.charAt(1) == 'e' && 'hello'.indexOf('l') == 2 && 'hello'.lastIndexOf('l') == 3 && 'hello'.substring(1, 3) == 'el'",
        "'aXbX'.replace('X', '-', 1) == 'a-bX' && ' a '.trim() == 'a'",
        "'%s:%d:%.2f:%x'.format([dyn('a'), dyn(3), dyn(1.5), dyn(255)]) == 'a:3:1.50:ff'",
        "[3, 1, 2].sum() == 6 && [3, 1].min() == 1 && ['b', 'a'].max() == 'b' && [1, 2].isSorted() && [1, 2, 1].lastIndexOf(1) == 2",
        "[[1], [2]].flatten() == [1, 2] && [3, 1].sort() == [1, 3] && [1, 1].distinct() == [1] && lists.range(2) == [0, 1]",
        "['bb', 'a'].sortBy(s, s.size()) == ['a', 'bb'] && [1, 2, 3].slice(1, 2) == [2] && [1].first().value() == 1",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1.5').add(quantity('500m')).asInteger() == 2 && !isQuantity('x')",
        "quantity('1k').compareTo(quantity('1000')) == 0 && quantity('200M').sub(1).isLessThan(quantity('200M'))",
        "!quantity('50m').isInteger()",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && !isIP('::ffff:1.2.3.4')",
        "ip('127.0.0.1').isLoopback() && !ip.isCanonical('::0:1')",
        "cidr('10.0.0.0/8').containsIP('10.9.9.9') && cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
        "string(cidr('192.168.0.0/24').ip()) == '192.168.0.0' && cidr('::1/128').prefixLength() == 128 && !isCIDR('1.2.3.4')",
        "url('https://a.b:80/c%20d?e=f').getHost() == 'a.b:80' && url('https://a.b:80/').getPort() == '80'",
        "isURL('/x') && !isURL('nope')",
        "url('http://h/p?k=1&k=2').getQuery() == {'k': ['1', '2']}",
        "semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('v1.2', true).minor() == 2 && !isSemver('1.2')",
        "!format.dns1123Label().validate('ok').hasValue() && format.dns1123Label().validate('No').hasValue()",
        "format.named('uuid').hasValue()",
        "'abc 123'.find('[0-9]+') == '123' && '1 2 3'.findAll('[0-9]', 2) == ['1', '2']",
        "jsonpatch.escapeKey('a/b~c') == 'a~1b~0c'",
    ],
)
def test_libraries(source: str) -> None:
    assert run(source) is True


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("d.a.c", "no such key: c"), ("self.m['z']", "no such key: z"), ("d.a.b[7]", "index out of bounds: 7"),
        ("1 / (self.a - 3)", "division by zero"),
        ("self.a % 0", "modulus by zero"), ("9223372036854775807 + self.a", "integer overflow"), ("d.a + 1", "no such overload"),
        ("int(self.n)", 'strconv.ParseInt: parsing "abc": invalid syntax'), ("optional.none().value()", "optional.none() dereference"),
        ("self.n.matches('[' + '')", "error parsing regexp: missing closing ]: `[`"), ("[].min()", "min called on empty list"),
    ],
)  # fmt: skip
def test_runtime_errors(source: str, message: str) -> None:
    with pytest.raises(CelError) as e:
        run(source)
    assert str(e.value) == message


@pytest.mark.parametrize(
    ("source", "at", "message"),
    [
        ("self.b > 1", 5, "undefined field 'b'"),
        ("other.a > 1", 1, "undeclared reference to 'other' (in container '')"),
        ("self.a == 'x'", 8, "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.n.foo()", 11, "undeclared reference to 'foo' (in container '')"),
        ("self.a.startsWith('x')", 18, "found no matching overload for 'startsWith' applied to 'int.(string)'"),
        ("self.a.b", 7, "type 'int' does not support field selection"),
        ("self.a.all(x, true)", 5, "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)"),
        ("[1, 'a']", 5, "expected type 'int' but found 'string'"),
        ("self.a.map(1, x)", 12, "argument must be a simple name"),
        ("has(self)", 5, "invalid argument to has() macro"),
        ("for + 1", 1, "reserved identifier: for"),
    ],
)
def test_compile_errors(source: str, at: int, message: str) -> None:
    with pytest.raises(CompileError) as e:
        ENV.compile(source)
    assert str(e.value) == f"ERROR: <input>:1:{at}: {message}\n | {source}\n | {'.' * (at - 1)}^"


def test_syntax_errors_are_those_of_the_grammar() -> None:
    with pytest.raises(CompileError, match=r"^ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>' expecting {'\[', "):
        ENV.compile("self.a >")
    with pytest.raises(CompileError, match=r"Syntax error: no viable alternative at input '\.'"):
        ENV.compile("object.")


def test_constructed_types_and_what_is_used() -> None:
    patch = t.object_type("JSONPatch", {"op": t.Field(t.STRING, "op"), "value": t.Field(t.DYN, "value")})
    env = Environment({"self": SELF, "d": t.DYN}, lambda name: patch if name == "JSONPatch" else None)
    program = env.compile("[JSONPatch{op: 'add', value: {'n': self.n}}]")
    assert plain(program.eval(DATA)) == [{"op": "add", "value": {"n": "abc"}}]
    assert (str(program.type), program.uses) == ("list(JSONPatch)", {"self"})
    with pytest.raises(CompileError, match="undefined field 'nope'"):
        env.compile("JSONPatch{nope: 1}")
    with pytest.raises(CompileError, match=r"expected type of field 'op' is 'string' but provided type is 'int'"):
        env.compile("JSONPatch{op: 1}")


def test_loops_draw_from_a_budget() -> None:
    program = dyn_environment("n").compile("n.all(x, n.all(y, x == x))")
    with pytest.raises(CelError, match="actual cost limit exceeded"):
        program.eval({"n": list(range(1000))}, budget=[100_000])
    assert program.eval({"n": [1, 2]}, budget=[100_000]) is True


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "s": {"type": "string"},
        "t": {"type": "string", "maxLength": 10},
        "i": {"type": "integer"},
        "o": {"type": "object", "properties": {"a": {"type": "string"}}},
        "p": {"type": "object", "properties": {"a": {"type": "string"}}},
        "if": {"type": "string"},
        "ls": {"type": "array", "items": {"type": "string"}},
        "ts": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 5}},
        "m": {"type": "object", "additionalProperties": {"type": "string"}},
        "li": {"type": "array", "items": {"type": "integer"}},
    },
}
TYPED = Environment({"self": declare(SCHEMA) or t.DYN})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("self.s.matches('[')", "1:16: invalid matches argument"),
        ("duration('1d') == duration('1h')", "1:10: invalid duration argument"),
        ("timestamp('x') == timestamp('y')", "1:11: invalid timestamp argument"),
        ("[1, 1.0, 1u].size() == 3", "1:5: expected type 'int' but found 'double'"),
        ("{'a': 1, 2: 'b'}.size() == 2", "1:10: expected type 'string' but found 'int'"),
        ("self.s == null", "1:8: found no matching overload for '_==_' applied to '(string, null)'"),
        ("self.o == self.p", "1:8: found no matching overload for '_==_' applied to '(selfType.o, selfType.p)'"),
        ("self.i && true", "1:5: expected type 'bool' but found 'int'"),
        ("self.ls.all(x, x)", "1:16: expected type 'bool' but found 'string'"),
        ("self.ls.exists_one(x, x)", "1:19: found no matching overload for '_?_:_' applied to '(string, int, int)'"),
        ("self.ls.filter(x, x)", "1:15: found no matching overload for '_?_:_' applied to '(string, list(string), list(string))'"),
        ("self.li.flatten()", "1:16: found no matching overload for 'flatten' applied to 'list(int).()'"),
        ("'%d'.format([self.s])", "1:18: error during formatting: decimal clause can only be used on integers, was given string"),
        ("'%z'.format([1])", '1:12: could not parse formatting clause: unrecognized formatting clause "z"'),
        ("'%s'.format([1, 2])", "1:12: too many arguments supplied to string.format (expected 1, got 2)"),
        ("'%s %s'.format([1])", "1:15: index 1 out of range"),
        ("1e400 == 1.0", "1:1: invalid double literal"),
        ("self.optMap(x, x)", "1:12: found no matching overload for 'hasValue' applied to 'selfType.()'"),
    ],
)  # fmt: skip
def test_what_does_not_compile(source: str, message: str) -> None:
    with pytest.raises(CompileError) as e:
        TYPED.compile(source)
    assert re.sub(r"selfType\d+", "selfType", str(e.value)).split("\n")[0] == f"ERROR: <input>:{message}"


def test_patterns_of_searches_are_compiled_with_the_program() -> None:
    with pytest.raises(CompileError, match=r"missing closing \]") as e:
        TYPED.compile("self.s.find('[') == ''")
    assert e.value.stage == "program instantiation failed"


@pytest.mark.parametrize(
    "source", ["self.if == 'a'", "self.__if__ == 'a'", "'%s %d'.format([self.s, self.i]) == ''", "sign(quantity('1')) == 1"]
)
def test_what_compiles(source: str) -> None:
    assert TYPED.compile(source).type.kind == "bool"


@pytest.mark.parametrize(
    ("source", "high"),
    [
        ("self.i == 1", 2),
        ("self == self", 2),
        ("self.m.all(k, v, k == v)", 1_966_078),
        ("self.ts.map(x, x + 'b').all(y, y.contains('q'))", 114),
        ("self.ts.sortBy(x, x).size() > 1", 156),
        ("self.ts.distinct().size() > 1", 65),
        ("['a', 'b'].all(x, x.contains('q'))", 19),
        ("self.t.upperAscii().contains('q')", 10),
        ("type(self) == type(self)", 1_844_674_407_370_955_268),
    ],
)
def test_static_costs(source: str, high: int) -> None:
    assert TYPED.compile(source).cost.high == high
