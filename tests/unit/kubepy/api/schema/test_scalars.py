"""Times and base64, with Go's complaints."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubepy.api.schema.scalars import DecodeError, TypeMismatch, base64_text, describe, micro_time_text, time_text

LAYOUT = "2006-01-02T15:04:05Z07:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ("2024-01-02T03:04:05.999Z", "2024-01-02T03:04:05Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ],
)
def test_times(text: str, expected: str) -> None:
    assert time_text(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f'parsing time "" as "{LAYOUT}": cannot parse "" as "2006"'),
        ("2024", f'parsing time "2024" as "{LAYOUT}": cannot parse "" as "-"'),
        ("2024-01-02", f'parsing time "2024-01-02" as "{LAYOUT}": cannot parse "" as "T"'),
        ("2024-13-02T00:00:00Z", 'parsing time "2024-13-02T00:00:00Z": month out of range'),
        ("2023-02-29T00:00:00Z", 'parsing time "2023-02-29T00:00:00Z": day out of range'),
        ("2024-01-02T25:00:00Z", 'parsing time "2024-01-02T25:00:00Z": hour out of range'),
        ("2024-01-02T00:00:00", f'parsing time "2024-01-02T00:00:00" as "{LAYOUT}": cannot parse "" as "Z07:00"'),
        ("2024-01-02T00:00:00Zx", 'parsing time "2024-01-02T00:00:00Zx": extra text: "x"'),
    ],
)
def test_bad_times(text: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        time_text(text)
    assert str(caught.value) == message


def test_micro_times_need_their_digits() -> None:
    assert micro_time_text("2024-01-02T03:04:05.000007Z") == "2024-01-02T03:04:05.000007Z"
    with pytest.raises(DecodeError, match=r'cannot parse "Z" as "\.000000"'):
        micro_time_text("2024-01-02T03:04:05Z")


@pytest.mark.parametrize(("text", "at"), [("!!", 0), ("YQ=", 3), ("YQ", 0), ("YWJj!", 4), ("YQ=x", 3), ("YQ==YQ==", 4), ("=", 0)])
def test_bad_base64(text: str, at: int) -> None:
    with pytest.raises(DecodeError, match=f"^illegal base64 data at input byte {at}$"):
        base64_text(text)


@given(st.binary(max_size=60))
def test_base64_is_kept(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert base64_text(text) == text


@pytest.mark.parametrize(
    ("mismatch", "text"),
    [
        (TypeMismatch("string", "int32"), "unrecognized type: int32"),
        (TypeMismatch("number", "bool", "bool"), "unrecognized type: bool"),
        (TypeMismatch("number", "string", "string"), "cannot convert int64 to string"),
        (TypeMismatch("number 1.5", "int32"), "cannot convert float64 to int32"),
        (TypeMismatch("bool", "v1.PullPolicy", "string"), "unrecognized type: string"),
        (TypeMismatch("object", "[]v1.Container"), "cannot restore slice from map"),
        (TypeMismatch("array", "map[string]string"), "cannot restore map from slice"),
        (TypeMismatch("string", "v1.PodSpec"), "cannot restore struct from: string"),
        (TypeMismatch("array", "v2.HorizontalPodAutoscalerBehavior"), "cannot restore struct from: slice"),
        (TypeMismatch(describe(1.0), "string", "string"), "unrecognized type: string"),
        (TypeMismatch(describe(1 << 63), "v1.ResourceList", "map"), "cannot restore map from float64"),
        (TypeMismatch("object", "int32", "json"), "json: cannot unmarshal object into Go value of type int32"),
    ],
)
def test_converted_values_have_messages_of_their_own(mismatch: TypeMismatch, text: str) -> None:
    assert mismatch.converting == text
