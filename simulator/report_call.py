"""One call of report.getCsvFromStringParams, from its fields to its reply."""

import asyncio
import re
import time
from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from simulator import params, reports
from simulator.documents import instead, report_not_found
from simulator.errors import ApiError
from simulator.faults import FAILING_DOCUMENTS, REPLACES_REPLY, Call, Fault
from simulator.params import Question, UnreadableError
from simulator.replies import ShortBody
from simulator.running import Request, Running
from simulator.wire import BOM, Report, csv_bytes, printed_metric
from simulator.world import WindowTooWideError

CACHED_FOR_100_DAYS = "public, max-age=8640000"
CONTENT_DISPOSITION_LIMIT = 200  # characters of it; ids of people may be among them
_CSV = "text/csv; charset=UTF-8"


class ReportCall:
    """One call of report.getCsvFromStringParams, from its fields to its reply."""

    def __init__(self, running: Running, fields: Mapping[str, str], method: str) -> None:
        self.running = running
        self.fields = fields
        self.method = method
        self.params = params.parsed(fields.get("params", ""))
        self.report_id = int(fields["id"]) if fields.get("id", "").isdecimal() else None
        self.excluded = tuple(filter(None, fields.get("excludedFields", "").split(",")))  # a name is heeded as it is

    async def reply(self) -> Response:
        try:
            self.running.tokens.authorize(self.fields.get("ks", ""))
            return await self._answered()
        except ApiError as error:
            self._note(error.code)
            raise

    async def _answered(self) -> Response:
        if "id" not in self.fields or "params" not in self.fields:
            raise ApiError("INTERNAL_SERVERL_ERROR", "Internal server error occurred")
        if params.has_control_character(self.fields["params"]):
            raise ApiError("INVALID_PARAMETER_CHAR", "Invalid char in parameter params")
        if self.report_id is None or not params.known(self.report_id):
            self._note("report_not_found")
            return report_not_found()
        question = self._question(self.report_id)
        faults = self.running.faults.due(self._call(question))
        delay = self.running.delay_seconds + sum(fault.seconds for fault in faults if fault.kind == "slow")
        if delay:
            await asyncio.sleep(delay)
        if any(fault.kind == "ignore_filters" for fault in faults):
            question = question.admits_all()
        if (reply := self._replaced(faults)) is not None:
            return reply
        report = await run_in_threadpool(self._drawn, question)
        faults += self.running.faults.due(self._call(question, rows=len(report)))
        if (reply := self._replaced(faults)) is not None:
            return reply
        cap = self.running.row_cap
        most = cap if question.limit is None else min(cap, question.limit)
        return await run_in_threadpool(self._sent, _changed(report, faults, most), faults)

    def _question(self, report_id: int) -> Question:
        try:
            return params.question(report_id, self.params, self.running.breakout_dates)
        except UnreadableError:
            raise ApiError("INTERNAL_SERVERL_ERROR", "Internal server error occurred") from None

    def _call(self, question: Question, rows: int | None = None) -> Call:
        return Call("report", question.report_id, question.window, bool(question.filters), rows)

    def _drawn(self, question: Question) -> Report:
        running = self.running
        try:
            return reports.answer(
                running.world,
                question,
                now=running.clock,
                row_cap=running.row_cap,
                thins_breakouts=running.thins_breakouts,
            )
        except WindowTooWideError:
            raise ApiError(*FAILING_DOCUMENTS["timeout"]) from None

    def _replaced(self, faults: list[Fault]) -> Response | None:
        for fault in faults:
            if fault.kind in REPLACES_REPLY:
                reply = instead(self.running, fault, self.fields)
                self._note(fault.kind)
                return reply
        return None

    def _sent(self, report: Report, faults: list[Fault]) -> Response:
        quoted = reports.NAME_COLUMNS if self.running.quote_names else ()
        content = csv_bytes(report.without(self.excluded), empty=self.running.empty_report, quoted=quoted)
        for fault in faults:
            if fault.kind == "rewritten" and len(report):
                content = (BOM + fault.rewrite(content.decode("utf-8-sig"))).encode()
        named = re.sub(r"[^\w.,=;-]", "_", f"{self.report_id}_{self.fields.get('params', '')}", flags=re.ASCII)
        headers = {
            "Cache-Control": CACHED_FOR_100_DAYS,
            "Content-Disposition": f'attachment; filename="{named[:CONTENT_DISPOSITION_LIMIT]}.csv"',
        }
        if any(
            fault.kind == "unreadable_store" for fault in faults
        ):  # what the store said is lost, and nothing says so
            self._note("unreadable_store", rows=0)
            return Response(csv_bytes(Report({})), media_type=_CSV, headers=headers)
        if any(fault.kind == "short_body" for fault in faults):
            self._note("short_body")
            return ShortBody(content, _CSV, headers)
        self._note("ok", rows=len(report))
        return Response(content, media_type=_CSV, headers=headers)

    def _note(self, outcome: str, rows: int | None = None) -> None:
        self.running.requests.append(
            Request(self.report_id, self.params, rows, time.time(), self.method, outcome, self.excluded)
        )


def _changed(report: Report, faults: list[Fault], most: int) -> Report:
    """The report with whatever its faults do to its columns and rows."""
    columns = dict(report.columns)
    for fault in faults:
        match fault.kind:
            case "missing_column":
                columns.pop(fault.column, None)
            case "extra_column":
                columns[fault.column or "an_unknown_column"] = [fault.value] * len(report)
            case "null_figures":
                columns[fault.column] = [printed_metric(None)] * len(report)
            case "count_lost" if report.found_row_count >= most:  # a second query counts, and is answered nothing
                columns = {name: [] for name in columns}
            case "truncate":
                columns = {name: cells[: fault.rows] for name, cells in columns.items()}
            case "estimated_users":
                for name in columns.keys() & {"meeting_view_period_unique_users", "participant_count"}:
                    columns[name] = [str(round(int(cell) * (1 + fault.percent / 100))) for cell in columns[name]]
    return Report(columns, report.found_row_count)
