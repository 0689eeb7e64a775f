"""Error documents: what Kaltura answers, with HTTP 200, when it refuses or fails. JSON with `format=1`, XML without."""

import json
from collections.abc import Mapping
from xml.sax.saxutils import escape


class ApiError(Exception):
    """An error that Kaltura tells in a document. Only its code may be shown: the rest can hold a KS."""

    def __init__(self, code: str, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def as_document(self) -> dict[str, object]:
        document = {"code": self.code, "message": self.message, "objectType": "KalturaAPIException"}
        return document | {"args": self.details or []}  # what PHP has for an empty array

    def as_json(self) -> bytes:
        return json.dumps(self.as_document()).encode()

    def as_element(self) -> str:
        details = "".join(
            f"<item><objectType>KalturaApiExceptionArg</objectType><name>{escape(name)}</name>"
            f"<value>{escape(value)}</value></item>"
            for name, value in self.details.items()
        )
        return (
            f"<error><code>{escape(self.code)}</code><message>{escape(self.message)}</message>"
            f"<objectType>KalturaAPIException</objectType><args>{details}</args></error>"
        )

    def as_xml(self) -> bytes:
        return (
            f'<?xml version="1.0" encoding="utf-8"?><xml><result>{self.as_element()}</result>'
            "<executionTime>0.01</executionTime></xml>"
        ).encode()
