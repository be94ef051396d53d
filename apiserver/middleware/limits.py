"""Priority and fairness: how many requests are served at once, and whose turn it is when there are more.

FlowSchemas sort requests into priority levels; each level has seats in proportion to its shares and borrows what others leave
idle. While a level has a free seat, a request costs one look-up; after that it waits in its flow's queue, and flows take turns
(apiserver pkg/util/flowcontrol; a request takes one seat, whatever its work).
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from apiserver.context import Lister, Obj, RequestInfo, User
from apiserver.middleware.authn.users import split_service_account
from apiserver.middleware.authz.rules import url_matches
from kubepy.api.errors import TooManyRequests

GROUP = "flowcontrol.apiserver.k8s.io"
QUEUE_WAIT = 15.0
"""Seconds a request may wait for a seat: a quarter of the request timeout."""
_LONG_RUNNING = frozenset(("exec", "attach", "portforward", "proxy", "log"))
_MEMO_LIMIT = 8192


@dataclass(slots=True, eq=False)
class Level:
    """A priority level while the server runs."""

    name: str
    uid: str
    exempt: bool
    nominal: int = 0
    lendable: int = 0
    borrowing: int | None = None
    """Seats it may borrow; None: any number."""
    queue_limit: int = 0
    """Requests that may wait per flow; 0 rejects at once."""
    total_limit: int = 0
    in_use: int = 0
    waiting: int = 0
    flows: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """What a request was sorted into; `headers` are the answer's X-Kubernetes-PF lines."""

    level: Level
    distinguisher: str
    headers: bytes


class Limits:
    """Seats of one server; `total` is --max-requests-inflight plus --max-mutating-requests-inflight."""

    def __init__(self, lister: Lister, total: int) -> None:
        self._lister = lister
        self._total = total
        self._generations: tuple[int, int] | None = None
        self._levels: dict[str, Level] = {}
        self._schemas: list[Obj] = []
        self._memo: dict[tuple[object, ...], Flow] = {}
        self._used = 0

    def classify(self, user: User, info: RequestInfo) -> Flow:
        """The flow of a request."""
        lister = self._lister
        generations = (lister.generation(GROUP, "flowschemas"), lister.generation(GROUP, "prioritylevelconfigurations"))
        if generations != self._generations:
            self._load()
            self._generations = generations
        where = info.namespace if info.is_resource else info.path
        key = (user.name, user.groups, info.verb, info.group, info.resource, info.subresource, where)
        flow = self._memo.get(key)
        if flow is None:
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            flow = self._memo[key] = self._sort(user, info)
        return flow

    def enter(self, flow: Flow, info: RequestInfo) -> bool:
        """Take a seat if there is one; when False, `wait`. Long-running requests do not take seats. Raises TooManyRequests."""
        level = flow.level
        if level.exempt or info.verb == "watch" or info.subresource in _LONG_RUNNING:
            return True
        if level.waiting == 0 and self._has_seat(level):
            level.in_use += 1
            self._used += 1
            return True
        if level.waiting >= level.total_limit or len(level.flows.get(flow.distinguisher, ())) >= level.queue_limit:
            raise _refused()
        return False

    async def wait(self, flow: Flow) -> None:
        """Wait for a seat and take it. Raises TooManyRequests after QUEUE_WAIT seconds."""
        level = flow.level
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        level.flows.setdefault(flow.distinguisher, deque()).append(turn)
        level.waiting += 1
        try:
            await asyncio.wait_for(asyncio.shield(turn), QUEUE_WAIT)
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                self._release(level)  # the seat came in the same moment
            else:
                turn.cancel()
                queue = level.flows.get(flow.distinguisher)
                if queue is not None and turn in queue:
                    queue.remove(turn)
                    level.waiting -= 1
                    if not queue:
                        del level.flows[flow.distinguisher]
            if isinstance(error, TimeoutError):
                raise _refused() from None
            raise

    def leave(self, flow: Flow, info: RequestInfo) -> None:
        """Give the seat back."""
        level = flow.level
        if not (level.exempt or info.verb == "watch" or info.subresource in _LONG_RUNNING):
            self._release(level)

    def _release(self, level: Level) -> None:
        level.in_use -= 1
        self._used -= 1
        for candidate in (level, *self._levels.values()):
            if candidate.waiting and self._has_seat(candidate):
                self._next(candidate)
                break

    def _next(self, level: Level) -> None:
        """Give a seat to the flow whose turn it is."""
        distinguisher, queue = next(iter(level.flows.items()))
        turn = queue.popleft()
        level.waiting -= 1
        if queue:
            level.flows.move_to_end(distinguisher)
        else:
            del level.flows[distinguisher]
        level.in_use += 1
        self._used += 1
        turn.set_result(None)

    def _has_seat(self, level: Level) -> bool:
        if level.in_use < level.nominal:
            # What a level lends out it gets back only as the borrowers finish.
            return self._used < self._total or level.in_use < level.nominal - level.lendable
        if self._used >= self._total:
            return False
        if level.borrowing is not None and level.in_use >= level.nominal + level.borrowing:
            return False
        idle = sum(max(0, min(o.lendable, o.nominal - o.in_use)) for o in self._levels.values() if o is not level)
        borrowed = sum(max(0, o.in_use - o.nominal) for o in self._levels.values())
        return idle > borrowed

    def _load(self) -> None:
        self._memo.clear()
        found = {o["metadata"]["name"]: o for o in self._lister.list(GROUP, "prioritylevelconfigurations")}
        shares = {name: _shares(o) for name, o in found.items()}
        whole = sum(shares.values()) or 1
        for name in self._levels.keys() - found.keys():
            if not self._levels[name].in_use and not self._levels[name].waiting:
                del self._levels[name]
        for name, obj in found.items():
            level = self._levels.get(name)
            if level is None:
                level = self._levels[name] = Level(name, "", False)
            _configure(level, obj, math.ceil(self._total * shares[name] / whole))
        schemas = self._lister.list(GROUP, "flowschemas")
        self._schemas = sorted(schemas, key=lambda s: (s["spec"].get("matchingPrecedence", 1000), s["metadata"]["name"]))

    def _sort(self, user: User, info: RequestInfo) -> Flow:
        for schema in self._schemas:
            level = self._levels.get(schema["spec"]["priorityLevelConfiguration"]["name"])
            if level is None or not any(_rule_matches(rule, user, info) for rule in schema["spec"].get("rules") or ()):
                continue
            by = (schema["spec"].get("distinguisherMethod") or {}).get("type")
            distinguisher = user.name if by == "ByUser" else info.namespace if by == "ByNamespace" else ""
            uid = schema["metadata"].get("uid", "")
            headers = f"x-kubernetes-pf-flowschema-uid: {uid}\r\nx-kubernetes-pf-prioritylevel-uid: {level.uid}\r\n".encode()
            return Flow(level, f"{schema['metadata']['name']}/{distinguisher}", headers)
        # Before the defaults are there nothing is limited.
        return Flow(Level("", "", True), "", b"")


def _refused() -> TooManyRequests:
    return TooManyRequests("too many requests, please try again later", details={"retryAfterSeconds": 1}, headers=(("Retry-After", "1"),))


def _shares(level: Obj) -> int:
    spec = level.get("spec") or {}
    part = spec.get("limited") or {}
    return int(part.get("nominalConcurrencyShares", 30)) if spec.get("type") == "Limited" else 0


def _configure(level: Level, obj: Obj, nominal: int) -> None:
    spec = obj.get("spec") or {}
    limited = spec.get("limited") or {}
    level.uid = obj["metadata"].get("uid", "")
    level.exempt = spec.get("type") == "Exempt"
    level.nominal = nominal
    level.lendable = round(nominal * limited.get("lendablePercent", 0) / 100)
    borrowing = limited.get("borrowingLimitPercent")
    level.borrowing = None if borrowing is None else round(nominal * borrowing / 100)
    response = limited.get("limitResponse") or {}
    queuing = (response.get("queuing") or {}) if response.get("type") == "Queue" else None
    level.queue_limit = queuing.get("queueLengthLimit", 50) if queuing is not None else 0
    level.total_limit = level.queue_limit * queuing.get("queues", 64) if queuing is not None else 0


def _rule_matches(rule: Obj, user: User, info: RequestInfo) -> bool:
    if not any(_subject_matches(s, user) for s in rule.get("subjects") or ()):
        return False
    if info.is_resource:
        return any(_resource_matches(r, info) for r in rule.get("resourceRules") or ())
    return any(_has(r.get("verbs"), info.verb) and url_matches(r, info.path) for r in rule.get("nonResourceRules") or ())


def _subject_matches(subject: Obj, user: User) -> bool:
    match subject.get("kind"):
        case "User":
            return (subject.get("user") or {}).get("name") in ("*", user.name)
        case "Group":
            name = (subject.get("group") or {}).get("name")
            return name == "*" or name in user.groups
        case "ServiceAccount":
            account = split_service_account(user.name)
            wanted = subject.get("serviceAccount") or {}
            return account is not None and wanted.get("namespace") == account[0] and wanted.get("name") in ("*", account[1])
    return False


def _has(values: list[str] | None, value: str) -> bool:
    return bool(values) and ("*" in (values or ()) or value in (values or ()))


def _resource_matches(rule: Obj, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (_has(rule.get("verbs"), info.verb) and _has(rule.get("apiGroups"), info.group) and _has(rule.get("resources"), resource)):
        return False
    return _has(rule.get("namespaces"), info.namespace) if info.namespace else bool(rule.get("clusterScope"))
