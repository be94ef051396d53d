"""OpenAPI v2 (Swagger 2.0) from what v3 says. Pure."""

from __future__ import annotations

from kubepy.api.openapi.parameters import Obj

_V3_REF = "#/components/schemas/"
_V2_REF = "#/definitions/"
_METHODS = ("delete", "get", "head", "options", "patch", "post", "put")


_UNIONS = ([{"type": "string"}, {"type": "number"}], [{"type": "integer"}, {"type": "string"}])


def schema(value: Obj) -> Obj:
    """A v3 schema in v2: references moved, references with siblings written out, the two union types as strings."""
    if value.get("oneOf") in _UNIONS:
        return {k: v for k, v in value.items() if k != "oneOf"} | {"type": "string"}
    out: Obj = {}
    for k, v in value.items():
        if k == "allOf" and len(v) == 1 and "$ref" in v[0]:
            out["$ref"] = v[0]["$ref"].replace(_V3_REF, _V2_REF)
        elif k == "$ref":
            out[k] = v.replace(_V3_REF, _V2_REF)
        elif k == "properties":
            out[k] = {name: schema(child) for name, child in v.items()}
        elif k in ("items", "additionalProperties") and isinstance(v, dict):
            out[k] = schema(v)
        elif k != "default":
            out[k] = v
    return out


def _parameter(parameter: Obj) -> Obj:
    return {k: v for k, v in parameter.items() if k != "schema"} | dict(parameter["schema"])


def _operation(operation: Obj) -> Obj:
    out = {k: v for k, v in operation.items() if k not in ("requestBody", "responses", "parameters")}
    parameters = [_parameter(p) for p in operation.get("parameters", ())]
    out["consumes"] = ["*/*"]
    if body := operation.get("requestBody"):
        out["consumes"] = list(body["content"])
        first = next(iter(body["content"].values()))
        required = operation.get("x-kubernetes-action") not in ("delete", "deletecollection")
        parameters.insert(0, {"name": "body", "in": "body", "schema": schema(first["schema"])} | ({"required": True} if required else {}))
    if parameters:
        out["parameters"] = parameters
    produces: list[str] = []
    responses: Obj = {}
    for code, response in operation["responses"].items():
        content = response.get("content", {})
        produces += [m for m in content if m not in produces]
        responses[code] = {"description": response["description"]}
        if content:
            responses[code]["schema"] = schema(next(iter(content.values()))["schema"])
    out["produces"] = produces or ["*/*"]
    out["responses"] = responses
    out["schemes"] = ["https"]
    return out


def path_item(item: Obj) -> Obj:
    """A v3 path item in v2."""
    out: Obj = {k: _operation(v) for k, v in item.items() if k in _METHODS}
    if "parameters" in item:
        out["parameters"] = [_parameter(p) for p in item["parameters"]]
    return out
