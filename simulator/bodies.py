"""What a request says, wherever it says it: in its path, its query, or a body in one of three forms.

What stands in the URL overrides the body. A body is JSON where its type is exactly `application/json`; forms and
multipart are read as PHP reads them, and nothing else is. Objects inside objects are flattened: `1:service`.
"""

import json
import re
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


async def fields_of(request: Request) -> dict[str, str]:
    return (
        in_body(await request.body(), request.headers.get("content-type", "")) | _in_path(request) | _in_query(request)
    )


def in_body(body: bytes, content_type: str) -> dict[str, str]:
    kind = content_type.lower()
    if kind == JSON:
        try:
            document = json.loads(body)
        except ValueError:
            return {}
        return dict(_flat(document)) if isinstance(document, dict) else {}
    if kind.startswith(FORM):
        return _flattened(parse_qsl(body.decode(), keep_blank_values=True))
    return _flattened(_parts(body, content_type)) if kind.startswith(MULTIPART) else {}


def _in_path(request: Request) -> dict[str, str]:
    """The raw path, as an encoded slash inside a value must not end the value."""
    raw_path = request.scope.get("raw_path") or request.url.path.encode()
    segments = [unquote(part) for part in raw_path.decode("ascii").split("/")[2:]]
    if segments[:1] == ["index.php"]:
        del segments[0]
    return dict(zip(segments[::2], segments[1::2], strict=False))


def _in_query(request: Request) -> dict[str, str]:
    return _flattened(parse_qsl(request.url.query, keep_blank_values=True))


def _parts(body: bytes, content_type: str) -> Iterator[tuple[str, str]]:
    """The fields of a multipart body. Files are let go."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes) and part.get_filename() is None:
            yield name, content.decode()


def _flattened(pairs: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> dict[str, str]:
    """`filter[name]` and `filter:name` are two spellings of one."""
    return {re.sub(r"\[([^\]]*)\]", r":\1", name): value for name, value in pairs}


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """JSON's values as the strings that PHP takes them for."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in members:
            yield from _flat(member, f"{name}:{key}" if name else str(key))
    elif isinstance(value, bool):
        yield name, "1" if value else ""
    elif value is not None:
        yield name, str(value)
