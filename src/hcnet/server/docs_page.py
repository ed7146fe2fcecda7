"""The API as one plain page that needs nothing from the network."""

from collections.abc import Mapping
from html import escape
from typing import Any

_METHODS = ("get", "put", "post", "delete")


def docs_page(openapi: Mapping[str, Any]) -> str:
    """List all calls of an OpenAPI description, with their parameters and answers.

    Args:
        openapi: as FastAPI makes it.
    """
    calls = "".join(
        _call(method, path, item[method])
        for path, item in openapi["paths"].items()
        for method in _METHODS
        if method in item
    )
    schemas = "".join(
        _schema(name, schema) for name, schema in openapi["components"]["schemas"].items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>hcnet API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/viewer.css"></head>'
        '<body class="docs"><main>'
        f"<h1>hcnet API</h1><p>{escape(openapi['info']['description'])}</p>"
        '<p>For machines: <a href="/api/openapi.json">openapi.json</a> (OpenAPI 3.1). '
        'For people: <a href="/">the viewer</a>.</p>'
        f"<h2>Calls</h2>{calls}<h2>Values</h2>{schemas}</main></body></html>"
    )


def _call(method: str, path: str, call: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(p['name'])}</code> ({escape(p['in'])}) {_type(p['schema'])}"
        f"{'' if p.get('required') else ', optional'} {escape(p.get('description', ''))}</li>"
        for p in call.get("parameters", ())
    )
    body = _content(call.get("requestBody", {}))
    answer = next((_content(a) for code, a in call["responses"].items() if code[0] == "2"), "")
    return (
        f"<section><h3><code>{method.upper()} {escape(path)}</code></h3>"
        f"<p>{escape(call.get('description', ''))}</p>"
        f"{f'<ul>{parameters}</ul>' if parameters else ''}"
        f"{f'<p>Takes {body}.</p>' if body else ''}"
        f"{f'<p>Gives {answer}.</p>' if answer else ''}</section>"
    )


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    fields = "".join(
        f"<li><code>{escape(field)}</code> {_type(value)} "
        f"{escape(value.get('description', ''))}</li>"
        for field, value in schema.get("properties", {}).items()
    )
    return (
        f'<section id="{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{escape(schema.get('description', ''))}</p><ul>{fields}</ul></section>"
    )


def _content(part: Mapping[str, Any]) -> str:
    kinds = part.get("content", {})
    return " or ".join(
        _type(kind.get("schema", {})) or escape(name) for name, kind in kinds.items()
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "")))
