"""Replies that are no report: results, error documents, and whatever a fault puts in their place.

Documents are JSON with `format=1` and XML without, and come with HTTP 200 whatever they say.
"""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from starlette.responses import HTMLResponse, JSONResponse, Response

from simulator.errors import ApiError
from simulator.faults import FAILING_DOCUMENTS, Fault
from simulator.replies import ConnectionReset
from simulator.running import Running
from simulator.tokens import invalid_ks

_GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>An invented gateway.</p></body></html>"


def result(value: object, fields: Mapping[str, str]) -> Response:
    if fields.get("format") == "1":
        return JSONResponse(value)
    return _xml(_inner(value))


def results(values: Sequence[object], fields: Mapping[str, str]) -> Response:
    """Those of a multirequest, errors among them."""
    if fields.get("format") == "1":
        return JSONResponse([value.as_document() if isinstance(value, ApiError) else value for value in values])
    items = (value.as_element() if isinstance(value, ApiError) else _inner(value) for value in values)
    return _xml("".join(f"<item>{item}</item>" for item in items))


def _inner(value: object) -> str:
    if isinstance(value, dict):
        return "".join(f"<{name}>{_inner(member)}</{name}>" for name, member in value.items())
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else escape(str(value))


def _xml(inner: str) -> Response:
    xml = f'<?xml version="1.0" encoding="utf-8"?><xml><result>{inner}</result></xml>'
    return Response(xml, media_type="text/xml")


def document(error: ApiError, fields: Mapping[str, str]) -> Response:
    if fields.get("format") == "1":
        return Response(error.as_json(), media_type="application/json")
    return Response(error.as_xml(), media_type="text/xml")


def report_not_found() -> Response:
    headers = {"X-Kaltura": "error- REPORT_NOT_FOUND", "X-Kaltura-App": "exiting on error REPORT_NOT_FOUND"}
    return Response(b"", media_type="text/html", headers=headers)


def instead(running: Running, fault: Fault, fields: Mapping[str, str]) -> Response:
    """What is sent in place of the answer."""
    match fault.kind:
        case "bad_gateway":
            return HTMLResponse(_GATEWAY_PAGE.format(f"{fault.status} Bad Gateway"), status_code=fault.status)
        case "html":
            return HTMLResponse(_GATEWAY_PAGE.format("Down for maintenance"))
        case "reset":
            return ConnectionReset()
        case "zero_bytes":
            return Response(b"", media_type="text/csv")
        case "report_not_found":
            return report_not_found()
        case "expired_ks":
            running.tokens.expire(fields.get("ks", ""))
            return document(invalid_ks("EXPIRED"), fields)
        case "refused_ks":
            return document(invalid_ks(fault.value), fields)
        case "service_forbidden":  # such an error comes in both shapes at once
            reply = document(ApiError(*FAILING_DOCUMENTS[fault.kind]), fields)
            reply.headers["X-Kaltura"] = "error- SERVICE_FORBIDDEN"
            return reply
        case "echoed_ks":
            return document(invalid_ks(fields.get("ks", "")), fields)
        case _:
            return document(ApiError(*FAILING_DOCUMENTS[fault.kind]), fields)
