"""Reviews: objects that are questions, answered in their status and never stored.

`Reviews.handlers` maps (group, plural, subresource) to `async handler(ctx, namespace, name, obj) -> obj`. Objects come
decoded; what comes back is the answer as it is served (pkg/registry/authentication, pkg/registry/authorization).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from apiserver.auth import tokens
from apiserver.context import Context, Lister, Obj, RequestInfo, User
from apiserver.middleware.authn.authenticator import Authenticator
from apiserver.middleware.authn.serviceaccount import TokenError, TokenIssuer
from apiserver.middleware.authn.users import node_of
from apiserver.middleware.authz.chain import Chain
from kubepy.api import names
from kubepy.api.errors import BadRequest, FieldError, Invalid, forbidden_field, invalid, required
from kubepy.api.selectors import SelectorError, parse_field_selector, parse_label_selector

Handler = Callable[[Context, str, str, Obj], Awaitable[Obj]]
_AUTHENTICATION = "authentication.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"


class Reviews:
    """The handlers, over the authenticator and authorizer of this server."""

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Chain,
        lister: Lister,
        issuer: TokenIssuer | None = None,
        *,
        token_options: tokens.TokenOptions | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self.handlers: dict[tuple[str, str, str], Handler] = {
            (_AUTHENTICATION, "tokenreviews", ""): self.token_review,
            (_AUTHENTICATION, "selfsubjectreviews", ""): self.self_subject_review,
            (_AUTHORIZATION, "subjectaccessreviews", ""): self.subject_access_review,
            (_AUTHORIZATION, "localsubjectaccessreviews", ""): self.local_subject_access_review,
            (_AUTHORIZATION, "selfsubjectaccessreviews", ""): self.self_subject_access_review,
            (_AUTHORIZATION, "selfsubjectrulesreviews", ""): self.self_subject_rules_review,
        }
        if issuer is not None:
            options = token_options or tokens.TokenOptions(tuple(authenticator.api_audiences))
            self.handlers["", "serviceaccounts", "token"] = tokens.TokenRequests(issuer, lister, options).create

    async def token_review(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """Whose token `spec.token` is. Raises BadRequest."""
        spec = obj.get("spec") or {}
        token = spec.get("token", "")
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        try:
            user, audiences = self._authenticator.token_user(token, spec.get("audiences") or ())
        except TokenError as error:
            status: Obj = {"user": {}, "error": str(error)}
        else:
            status = {"authenticated": True, "user": user_info(user)}
            if audiences:
                status["audiences"] = list(audiences)
        return _answer(obj, spec, status)

    async def self_subject_review(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """Who asks."""
        return {
            "kind": obj["kind"],
            "apiVersion": obj["apiVersion"],
            "metadata": {"creationTimestamp": tokens.timestamp(tokens.now())},
            "status": {"userInfo": user_info(ctx.user)},
        }

    async def subject_access_review(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """Whether the named user may do what is described. Raises Invalid."""
        spec = obj.get("spec") or {}
        errors = _check_spec(spec, needs_user=True)
        _require_empty(obj, errors)
        _raise(errors)
        return _answer(obj, spec, self._decide(_subject(spec), spec))

    async def local_subject_access_review(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """The same within one namespace. Raises Invalid."""
        spec = obj.get("spec") or {}
        errors = _check_spec(spec, needs_user=True)
        _require_empty(obj, errors, but_namespace=True)
        resource = spec.get("resourceAttributes")
        if resource is not None and resource.get("namespace", "") != namespace:
            errors.append(invalid("spec.resourceAttributes.namespace", resource.get("namespace", ""), "must match metadata.namespace"))
        other = spec.get("nonResourceAttributes")
        if other is not None:
            errors.append(invalid("spec.nonResourceAttributes", _go_attributes(other), "disallowed on this kind of request"))
        _raise(errors)
        return _answer(obj, spec, self._decide(_subject(spec), spec))

    async def self_subject_access_review(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """Whether the asker may do what is described. Raises Invalid."""
        spec = obj.get("spec") or {}
        errors = _check_spec(spec, needs_user=False)
        _require_empty(obj, errors)
        _raise(errors)
        return _answer(obj, spec, self._decide(ctx.user, spec))

    async def self_subject_rules_review(self, ctx: Context, namespace: str, name: str, obj: Obj) -> Obj:
        """All that the asker may do in a namespace. Raises BadRequest."""
        wanted = (obj.get("spec") or {}).get("namespace", "")
        if not wanted:
            raise BadRequest("no namespace on request")
        status: Obj = {"resourceRules": [], "nonResourceRules": [], "incomplete": False}
        problems: list[str] = []
        if node_of(ctx.user) is not None and self._authorizer.node is not None:
            status["incomplete"] = True
            problems.append("node authorizer does not support user rule resolution")
        if self._authorizer.rbac is not None:
            rules, errors = self._authorizer.rbac.rules_for(ctx.user, wanted)
            for rule in rules:
                if rule.get("nonResourceURLs"):
                    status["nonResourceRules"].append({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]})
                if rule.get("resources"):
                    keys = ("verbs", "apiGroups", "resources", "resourceNames")
                    status["resourceRules"].append({k: rule[k] for k in keys if rule.get(k)})
            if errors:
                status["incomplete"] = True
                problems.extend(errors)
        if self._authorizer.allows_everything:
            status["resourceRules"].append({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
            status["nonResourceRules"].append({"verbs": ["*"], "nonResourceURLs": ["*"]})
        if problems:
            status["evaluationError"] = problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]"
        return _answer({**obj, "metadata": {}}, {}, status)

    def _decide(self, user: User, spec: Obj) -> Obj:
        allowed, reason = self._authorizer.authorize(user, _request(spec))
        out: Obj = {"allowed": allowed, "reason": reason} if reason else {"allowed": allowed}
        if ignored := "; ".join(_ignored(spec.get("resourceAttributes") or {})):
            out["evaluationError"] = ignored
        return out


def user_info(user: User) -> Obj:
    """authentication.k8s.io UserInfo."""
    out: Obj = {"username": user.name}
    if user.uid:
        out["uid"] = user.uid
    if user.groups:
        out["groups"] = list(user.groups)
    if user.extra:
        out["extra"] = {key: list(values) for key, values in user.extra.items()}
    return out


def _answer(obj: Obj, spec: Obj, status: Obj) -> Obj:
    head = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": obj.get("metadata") or {}}
    return {**head, "spec": spec, "status": status}


def _subject(spec: Obj) -> User:
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)


def _request(spec: Obj) -> RequestInfo:
    resource = spec.get("resourceAttributes")
    if resource is None:
        other = spec["nonResourceAttributes"]
        return RequestInfo(False, other.get("path", ""), other.get("verb", ""))
    selector = resource.get("fieldSelector") or {}
    terms = [f"{r['key']}={r['values'][0]}" for r in selector.get("requirements") or () if _single(r)]
    return RequestInfo(
        True, "", resource.get("verb", ""), resource.get("group", ""), resource.get("version", ""), resource.get("resource", ""),
        resource.get("subresource", ""), resource.get("namespace", ""), resource.get("name", ""),
        field_selector=selector.get("rawSelector") or ",".join(terms),
    )  # fmt: skip


def _single(requirement: dict[str, Any]) -> bool:
    return requirement.get("operator") == "In" and len(requirement.get("values") or ()) == 1


def _ignored(resource: Obj) -> Iterator[str]:
    """What is told of selectors that cannot be read (pkg/registry/authorization/util)."""
    kinds: tuple[tuple[str, Callable[[str], object], Callable[[Obj], bool]], ...] = (
        ("fieldSelector", parse_field_selector, _is_readable_field),
        ("labelSelector", parse_label_selector, _is_readable_label),
    )
    for name, parse, is_readable in kinds:
        selector = resource.get(name) or {}
        readable = [is_readable(r) for r in selector.get("requirements") or ()]
        if not _is_readable_text(parse, selector.get("rawSelector") or "") or not all(readable):
            partly = "partially " if any(readable) else ""
            yield f"spec.resourceAttributes.{name} {partly}ignored due to parse error"


def _is_readable_field(requirement: Obj) -> bool:
    return requirement.get("operator") in ("In", "NotIn") and len(requirement.get("values") or ()) == 1


def _is_readable_label(requirement: Obj) -> bool:
    # Keys and values that are wrong have been refused before.
    return requirement.get("operator") in ("In", "NotIn", "Exists", "DoesNotExist")


def _is_readable_text(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except SelectorError:
        return False
    return True


def _check_spec(spec: Obj, *, needs_user: bool) -> list[FieldError]:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    errors: list[FieldError] = []
    if resource is not None and other is not None:
        text = "cannot be specified in combination with resourceAttributes"
        errors.append(invalid("spec.nonResourceAttributes", _go_attributes(other), text))
    if resource is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.append(invalid("spec.resourceAttributes", None, text))
    if resource is not None:
        for field in ("fieldSelector", "labelSelector"):
            errors += _check_selector(resource.get(field), f"spec.resourceAttributes.{field}")
    if needs_user and not spec.get("user") and not spec.get("groups"):
        errors.append(invalid("spec.user", "", "at least one of user or group must be specified"))
    return errors


def _check_selector(selector: Obj | None, field: str) -> list[FieldError]:
    if selector is None:
        return []
    raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or []
    if raw and requirements:
        return [invalid(f"{field}.rawSelector", raw, "may not specified at the same time as requirements")]
    if not raw and not requirements:
        return [required(f"{field}.requirements", f"when {field} is specified, requirements or rawSelector is required")]
    errors = []
    for number, requirement in enumerate(requirements):
        path = f"{field}.requirements[{number}]"
        key, labels = requirement.get("key") or "", field.endswith("labelSelector")
        if labels:
            errors += [invalid(f"{path}.key", key, text) for text in names.qualified_name(key)]
        elif not key:
            errors.append(required(f"{path}.key", "must be specified"))
        operator, values = requirement.get("operator", ""), requirement.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            errors.append(forbidden_field(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
        # Operators that are not known here may be known to who asks.
        if labels:
            errors += [invalid(f"{path}.values[{i}]", v, text) for i, v in enumerate(values) for text in names.label_value(v)]
    return errors


def _go_attributes(other: Obj) -> Obj:
    """How upstream prints NonResourceAttributes in errors: its internal type has no JSON names."""
    return {"Path": other.get("path", ""), "Verb": other.get("verb", "")}


def _require_empty(obj: Obj, errors: list[FieldError], *, but_namespace: bool = False) -> None:
    allowed = ("namespace", "managedFields") if but_namespace else ("managedFields",)
    meta = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in allowed and v is not None}
    if meta:
        text = "must be empty except for namespace" if but_namespace else "must be empty"
        entries = [{**e, "fieldsV1": sorted_fields(e.get("fieldsV1"))} for e in obj["metadata"].get("managedFields") or ()]
        shown = {**obj["metadata"], **({"managedFields": entries} if entries else {})}
        errors.append(invalid("metadata", shown, text))


def sorted_fields(fields: Any) -> Any:
    """A field set in the order in which upstream writes it."""
    return {k: sorted_fields(fields[k]) for k in sorted(fields)} if isinstance(fields, dict) else fields


def _raise(errors: list[FieldError]) -> None:
    if errors:
        raise Invalid.of(_AUTHORIZATION, "", "", errors)
