"""Quantities: parsing, canonical text, arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubepy.api.quantity import Quantity, QuantityError, parse


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"), ("0Gi", "0"), ("-0", "0"), ("", None),
        ("100m", "100m"), ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), (".5", "500m"), ("0.1m", "100u"), ("0.0001m", "100n"),
        ("1Gi", "1Gi"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("1000Ki", "1000Ki"), ("1024Ki", "1Mi"), ("0.001Ki", "1024m"),
        ("1000", "1k"), ("12000", "12k"), ("1000000k", "1G"), ("1E", "1E"), ("1e3", "1e3"), ("1E-3", "1E-3"), ("12e4", "120e3"),
        ("+5", "+5"), ("-1Gi", "-1Gi"), ("1.0", "1"), ("0.1n", "1n"), ("5.", "5."),
        ("1234567890123456789012", "1234567890123456789012"), ("9223372036854775807Ki", "9223372036854775807"),
        ("lots", None), ("1i", None), ("1.1.1", None), ("-3.01e-", None), ("1 Gi", None), ("0.1mi", None),
    ],
)  # fmt: skip
def test_canonical_text(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(QuantityError):
            parse(text)
    else:
        assert str(parse(text)) == canonical


def test_messages() -> None:
    with pytest.raises(QuantityError, match="quantities must match the regular expression"):
        parse("lots")
    with pytest.raises(QuantityError, match="unable to parse quantity's suffix"):
        parse("1i")


@pytest.mark.parametrize(
    ("text", "value", "milli"),
    [("1500m", 2, 1500), ("1", 1, 1000), ("0.1m", 1, 1), ("1Ki", 1024, 1024000), ("-1500m", -2, -1500), ("1n", 1, 1)],
)
def test_values_round_away_from_zero(text: str, value: int, milli: int) -> None:
    q = parse(text)
    assert (q.value(), q.milli_value()) == (value, milli)


def test_json_numbers() -> None:
    assert str(parse(2)) == "2"
    assert str(parse(0.5)) == "500m"
    assert str(parse(1.0)) == "1"


def test_arithmetic_keeps_the_format() -> None:
    assert str(parse("1Gi") + parse("512Mi")) == "1536Mi"
    assert str(Quantity(0) + parse("1Ki")) == "1Ki"
    assert str(parse("1") - parse("250m")) == "750m"
    assert str(parse("100m") * 3) == "300m"
    assert parse("1Gi") > parse("1G") and parse("1000m") == parse("1")
    assert len({parse("1000m"), parse("1")}) == 1
    assert not Quantity(0) and parse("1m")


@given(st.integers(-(10**15), 10**15), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "e3", "e-2"]))
def test_canonical_text_denotes_the_same_amount(number: int, suffix: str) -> None:
    q = parse(f"{number}{suffix}")
    assert parse(str(q)) == q
    assert parse(str(Quantity(q.nanos, q.format))) == q
