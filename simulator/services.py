"""The services and actions that the stand-in knows, alone or several in one request.

An account has more of them. Whoever asks for one that is not here is answered as for one that Kaltura does not have.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping

from starlette.responses import Response

from simulator.documents import document, instead, result, results
from simulator.errors import ApiError
from simulator.faults import REPLACES_REPLY, Call
from simulator.report_call import ReportCall
from simulator.running import Running

Fields = Mapping[str, str]
Action = Callable[[Fields], object]

MULTIREQUEST = "multirequest"
_REPORT, _CSV = "report", "getcsvfromstringparams"
_SESSION_SERVICES = ("session", "apptoken")
_SUB_REQUEST = re.compile(r"(\d+):(.+)", re.DOTALL)
_REFERENCE = re.compile(r"\{(\d+):result((?::[^:{}]+)*)\}")


async def reply(running: Running, fields: Fields, method: str) -> Response:
    try:
        service, action = _named(fields)
        if service == MULTIREQUEST:
            return results(list(_each(running, fields)), fields)
        if (service, action) == (_REPORT, _CSV):
            return await ReportCall(running, fields, method).reply()
        return await _session_fault(running, service, fields) or result(_done(running, fields), fields)
    except ApiError as error:
        return document(error, fields)


def _named(fields: Fields) -> tuple[str, str]:
    return fields.get("service", "").lower(), fields.get("action", "").lower()


def _actions(running: Running) -> dict[str, dict[str, Action]]:
    tokens = running.tokens
    return {
        "session": {
            "start": tokens.start,
            "startwidgetsession": tokens.start_widget,
            "get": tokens.get,
            "end": tokens.end,
        },
        "apptoken": {"startsession": tokens.start_app_token},
        "system": {"ping": lambda _: True, "gettime": lambda _: int(time.time() + running.clock_ahead_seconds)},
        _REPORT: {},  # its one action answers with a file, and so has a way of its own
    }


def _done(running: Running, fields: Fields) -> object:
    """What the action answers. Raises `ApiError` for one that is not there."""
    service, action = _named(fields)
    services = _actions(running)
    if not service:
        raise ApiError("SERVICE_NOT_SPECIFIED", "Service name was not specified, please specify one")
    if service not in services:
        name = fields["service"]
        raise ApiError("SERVICE_DOES_NOT_EXISTS", f'Service "{name}" does not exist', {"SERVICE_NAME": name})
    if not action:
        raise ApiError("ACTION_NOT_SPECIFIED", "Action name was not specified, please specify one")
    if action not in services[service]:
        names = {"ACTION_NAME": fields["action"], "SERVICE_NAME": fields["service"]}
        message = f'Action "{names["ACTION_NAME"]}" does not exist for service "{names["SERVICE_NAME"]}"'
        raise ApiError("ACTION_DOES_NOT_EXISTS", message, names)
    return services[service][action](fields)


async def _session_fault(running: Running, service: str, fields: Fields) -> Response | None:
    """What is sent in place of a session's answer, where a fault is due."""
    action = _named(fields)[1]
    if service not in _SESSION_SERVICES or action not in _actions(running)[service]:
        return None
    running.session_calls.append(f"{service}.{action}")
    for fault in running.faults.due(Call(on="session")):
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault.kind in REPLACES_REPLY:
            return instead(running, fault, fields)
    return None


def _each(running: Running, fields: Fields) -> Iterator[object]:
    """The results of a multirequest in order; one that fails is an error among them, and the others go on."""
    came: list[object] = []
    for own in _sub_requests(fields):
        asked = {name: _REFERENCE.sub(lambda found: _referred(found, came), value) for name, value in own.items()}
        try:
            came.append(_done(running, asked))
        except ApiError as error:
            came.append(error)
        yield came[-1]


def _sub_requests(fields: Fields) -> Iterator[dict[str, str]]:
    """Each with its own fields, and those without a number, which are everybody's."""
    shared = {name: value for name, value in fields.items() if name not in ("service", "action")}
    own: dict[int, dict[str, str]] = {}
    for name in fields:
        if numbered := _SUB_REQUEST.fullmatch(name):
            own.setdefault(int(numbered[1]), {})[numbered[2]] = fields[name]
            del shared[name]
    for number in sorted(own):
        yield shared | own[number]


def _referred(found: re.Match[str], came: list[object]) -> str:
    """What `{1:result:ks}` stands for; where nothing does, it stays."""
    number = int(found[1])
    value = came[number - 1] if 1 <= number <= len(came) else None
    for name in found[2].split(":")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return found[0] if value is None or isinstance(value, dict | ApiError) else str(value)
