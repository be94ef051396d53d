"""CronJobs: schedules, time zones, and the template of their Jobs.

Upstream: ValidateCronJobSpec, pkg/registry/batch/cronjob/strategy.go, robfig/cron parser.go.
"""

from __future__ import annotations

import re
import zoneinfo
from functools import lru_cache

from apiserver.context import Obj
from apiserver.registry.strategies import jobs
from apiserver.registry.strategies.checks import NEGATIVE, Errors, enum
from apiserver.registry.strategies.common import both, empty_status, no_errors, with_status
from apiserver.registry.strategies.podspec import defaults, gates
from apiserver.registry.strategies.podspec.options import TEMPLATE, Options, for_update
from apiserver.registry.strategies.workloads import numbers
from kubepy.api import names
from kubepy.api.errors import invalid, not_supported, required

_POLICIES = ("Allow", "Forbid", "Replace")
_MAX_NAME = 52
_ZONE_CHARACTERS = re.compile("[A-Za-z0-9._+/-]{1,255}").fullmatch
_ZONE_PARTS = re.compile("[A-Za-z.+-][A-Za-z0-9._+-]*").fullmatch
_MONTHS = {m: i for i, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}
_DAYS = {d: i for i, d in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = ((0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 6, _DAYS))
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DURATION = re.compile(r"[-+]?([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+").fullmatch


def schedule_problem(text: str) -> str | None:
    """What is wrong with a cron schedule (cron.ParseStandard's error), None when nothing is."""
    if not text:
        return "empty spec string"
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, space, rest = text.partition(" ")
        if not space:
            return "provided bad location: missing schedule"
        name = zone.partition("=")[2]
        if not _zone_exists(name):
            return f"provided bad location {name}: unknown time zone {name}"
        text = rest.strip()
    if text.startswith("@"):
        if text in _DESCRIPTORS:
            return None
        if text.startswith("@every "):
            duration = text.removeprefix("@every ")
            if _DURATION(duration):
                return None
            return f'failed to parse duration {text}: time: invalid duration "{duration}"'
        return f"unrecognized descriptor: {text}"
    fields = text.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (low, high, known) in zip(fields, _FIELDS, strict=True):
        for part in re.split(",", field):
            if part and (problem := _range_problem(part, low, high, known)):
                return problem
    return None


def _range_problem(text: str, low: int, high: int, known: dict[str, int]) -> str | None:
    try:
        pieces = text.split("/")
        ends = pieces[0].split("-")
        single = len(ends) == 1
        if ends[0] in ("*", "?"):
            start, end = low, high
        else:
            start = _number(ends[0], known)
            if len(ends) > 2:
                return f"too many hyphens: {text}"
            end = start if single else _number(ends[1], known)
        step = 1
        if len(pieces) > 2:
            return f"too many slashes: {text}"
        if len(pieces) == 2:
            step = _number(pieces[1], {})
            if single:
                end = high
    except ValueError as e:
        return str(e)
    if start < low:
        return f"beginning of range ({start}) below minimum ({low}): {text}"
    if end > high:
        return f"end of range ({end}) above maximum ({high}): {text}"
    if start > end:
        return f"beginning of range ({start}) beyond end of range ({end}): {text}"
    return f"step of range should be a positive number: {text}" if step == 0 else None


def _number(text: str, known: dict[str, int]) -> int:
    if text.lower() in known:
        return known[text.lower()]
    if not re.fullmatch("[+-]?[0-9]+", text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)


@lru_cache(maxsize=256)
def _zone_exists(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def _time_zone(out: Errors, zone: str | None, path: str) -> None:
    if zone is None:
        return
    if not zone:
        out.append(invalid(path, zone, "timeZone must be nil or non-empty string"))
        return
    if not _ZONE_CHARACTERS(zone) or not all(_ZONE_PARTS(p) and len(p) <= 14 for p in zone.split("/")):
        out.append(invalid(path, zone, f"unknown time zone {zone}"))
        return
    if zone.lower() == "local":
        out.append(invalid(path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"))
    if not _zone_exists(zone):
        out.append(invalid(path, zone, f"unknown time zone {zone}"))


def _default(obj: Obj) -> None:
    spec = ((obj.get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}
    defaults.template(spec.get("template"))


def _template(obj: Obj | None) -> Obj | None:
    found: Obj | None = ((((obj or {}).get("spec") or {}).get("jobTemplate") or {}).get("spec") or {}).get("template")
    return found


def _prepare(obj: Obj) -> None:
    gates.drop_template(_template(obj))


def _prepare_update(new: Obj, old: Obj) -> None:
    if "status" in old:
        new["status"] = old["status"]
    gates.drop_template(_template(new), _template(old))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    before = (old or {}).get("spec") or {}
    schedule = spec.get("schedule") or ""
    if not schedule:
        out.append(required("spec.schedule"))
    elif old is None or schedule != before.get("schedule") or spec.get("timeZone") != before.get("timeZone"):
        if problem := schedule_problem(schedule):
            out.append(invalid("spec.schedule", schedule, problem))
        if "TZ" in schedule and spec.get("timeZone") is not None:
            text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            out.append(invalid("spec.schedule", schedule, text))
        elif "TZ" in schedule and (old is None or "TZ" not in before.get("schedule", "")):
            out.append(invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"))
    numbers(out, spec, "spec", "startingDeadlineSeconds")
    if old is None or spec.get("timeZone") != before.get("timeZone"):
        _time_zone(out, spec.get("timeZone"), "spec.timeZone")
    enum(out, spec.get("concurrencyPolicy"), "spec.concurrencyPolicy", _POLICIES)
    template = spec.get("jobTemplate") or {}
    job = template.get("spec") or {}
    path = "spec.jobTemplate.spec"
    found = _template(old)
    opts: Options = for_update(found.get("spec") or {}, False) if found else TEMPLATE
    jobs.job_spec(out, job, path, opts)
    if job.get("selector") is not None:
        out.append(invalid(f"{path}.selector", job["selector"], "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        out.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if (spec.get(key) or 0) < 0:
            out.append(invalid(f"spec.{key}", spec[key], NEGATIVE))
    name = new["metadata"].get("name", "")
    if old is None and len(name) > _MAX_NAME:
        out.append(invalid("metadata.name", name, f"must be no more than {_MAX_NAME} characters"))


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out: list[str] = []
    spec = new.get("spec") or {}
    if old is None and (problems := names.dns1123_label(new["metadata"].get("name", ""))):
        advice = "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
        out.append(f"metadata.name: {advice}: [{' '.join(problems)}]")
    if "TZ" in (spec.get("schedule") or ""):
        page = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/"
        out.append(f"spec.schedule: CRON_TZ or TZ used in schedule is not officially supported, see {page} for more details")
    before = ((((old or {}).get("spec") or {}).get("jobTemplate")) or {}).get("spec")
    return out + jobs.spec_warnings((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec", before)


STRATEGY = with_status(
    status_checks=(0, 0),
    default=_default,
    prepare=empty_status({}, _prepare),
    prepare_update=_prepare_update,
    warnings=_warnings,
    status_meta=(),
    status_validate_update=no_errors,
    **both(_validate),
)
