"""requestPolicy of a capacity that several claims may share: which amounts may be asked for (KEP-5075). Pure.

Upstream: validateRequestPolicy in pkg/apis/resource/validation.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.devicelists import unique
from kubepy.api.errors import forbidden_field, invalid, required
from kubepy.api.quantity import Quantity, parse

_MAX_OPTIONS = 10
_BOTH = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'


def policy(out: Errors, capacity: str, value: Obj, path: str) -> None:
    """The policy of a capacity: a list of amounts or a range, with a default within it."""
    options, span, default = value.get("validValues") or [], value.get("validRange"), value.get("default")
    if options and span is not None:
        out.append(forbidden_field(path, _BOTH))
        return
    kind = "validValues" if options else "validRange"
    if not options and span is None:
        return
    if default is None:
        out.append(required(f"{path}.default", f"required when {kind} is defined"))
    elif options:
        _options(out, parse(capacity), options, parse(default), f"{path}.{kind}")
    else:
        _range(out, parse(capacity), {k: parse(v) for k, v in (span or {}).items()}, parse(default), f"{path}.{kind}")


def _options(out: Errors, capacity: Quantity, options: list[str], default: Quantity, path: str) -> None:
    amounts = [parse(text) for text in options]
    for i in range(1, len(amounts)):
        if amounts[i - 1] > amounts[i]:
            out.append(invalid(f"{path}[{i}]", str(amounts[i]), "values must be sorted in ascending order"))

    def check(amount: Quantity, at: str) -> None:
        if amount > capacity:
            out.append(invalid(at, str(amount), f"option is larger than capacity value: {capacity}"))

    unique(out, amounts, path, _MAX_OPTIONS, check, lambda amount: str(amount.value()))
    if len(amounts) > _MAX_OPTIONS or all(amount.nanos != default.nanos for amount in amounts):
        out.append(invalid(path, str(default), "default value is not valid according to the requestPolicy"))


def _range(out: Errors, capacity: Quantity, span: dict[str, Quantity], default: Quantity, path: str) -> None:
    low, high, step = span.get("min"), span.get("max"), span.get("step")
    if low is None:
        out.append(required(f"{path}.min", "required when validRange is defined"))
        return
    if low > capacity:
        out.append(invalid(f"{path}.min", str(low), f"min is larger than capacity value: {capacity}"))
    if default < low:
        out.append(invalid(f"{path}.min", str(default), f"default is less than min: {low}"))
    if high is not None:
        if low > high:
            out.append(invalid(f"{path}.max", str(low), f"min is larger than max: {high}"))
        if high > capacity:
            out.append(invalid(f"{path}.max", str(high), f"max is larger than capacity value: {capacity}"))
        if default > high:
            out.append(invalid(f"{path}.max", str(default), f"default is more than max: {high}"))
    if step is not None:
        if low + step > capacity:
            out.append(invalid(f"{path}.step", str(step), f"one step {low + step} is larger than capacity value: {capacity}"))
        for amount in (default,) if high is None else (default, high):
            if step.value() and (amount.value() - low.value()) % step.value():
                text = f"value is not a multiple of a given step ({step}) from ({low})"
                out.append(invalid(f"{path}.step", str(amount), text))
