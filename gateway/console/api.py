"""The endpoints: who asks is judged first, then what is asked; each change is one line of the log, with who."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, cast
from urllib.parse import unquote

from gateway.console.advice import advice_by_reason
from gateway.console.borders import Borders, Foreign
from gateway.console.history import STEP, STEPS, History, refusals_shown
from gateway.console.operators import NotAllowed, Operators, TooManyWrong
from gateway.console.pace import Pace, TooMany
from gateway.console.page import HEADERS, parts
from gateway.console.server import STREAMS, Handler, plain
from gateway.console.sources import Deed, Impossible, Program
from gateway.console.status import status_of
from gateway.core.shown import shown
from gateway.libraries.serving import web

#: what a request costs, in those that cost least
WEIGHTS: Final = {"/api/traffic": 3.0, "/api/refusals": 2.0, "/api/explain": 10.0, "/api/revocations": 5.0}
#: seconds between two signs of life on an event stream, and between two looks at what changed
HEARTBEAT: Final = 15.0
LOOK: Final = 1.0
#: entries on a page
PAGE: Final = 200
#: characters of a line that tells who did what
_SAID: Final = 200

log = logging.getLogger("gateway")

Endpoint = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]


class _Busy(Exception):
    """There are as many already as there may be."""


class Api:
    """All requests to the console."""

    def __init__(
        self,
        program: Program,
        history: History,
        operators: Operators,
        borders: Borders,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: seconds since the epoch."""
        self._program = program
        self._history = history
        self._operators = operators
        self._borders = borders
        self._read_only = read_only
        self._clock = clock
        self._parts = parts()
        self._advice = advice_by_reason()
        self._streams = 0
        #: of whoever has shown a good credential, and of everybody else
        self._pace, self._strangers = Pace(), Pace()
        self._explaining = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            ("GET", "/api/status"): self._status,
            ("GET", "/api/traffic"): self._traffic,
            ("GET", "/api/refusals"): self._refusals,
            ("POST", "/api/explain"): self._explain,
            ("GET", "/api/revocations"): self._list,
            ("POST", "/api/revocations"): self._revoke,
            ("DELETE", "/api/revocations"): self._lift,
            ("POST", "/api/reload"): self._reload,
        }

    def stop(self) -> None:
        """Ends the event streams, and requests that wait for their turn."""
        self._stopping.set()
        self._pace.stop()
        self._strangers.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request to its end."""
        path = request.rel_url.raw_path
        try:
            await self._pace_of(request).wait(WEIGHTS.get(path, 1.0))
            self._borders.check(request.method, path, request.headers)
            if (part := self._parts.get(path)) is not None:
                if request.method not in {"GET", "HEAD"}:
                    return _told(405, "This is a page: GET it.", allow="GET, HEAD")
                return plain(200, part.content, part.content_type)
            return await self._api(request, path)
        except Foreign as foreign:
            return _told(foreign.status, str(foreign))
        except NotAllowed:
            response = _told(401, "The console needs its key: bearer-gateway console prints it.")
            response.headers["WWW-Authenticate"] = 'Bearer realm="console"'
            return response
        except TooManyWrong as wrong:
            response = _told(429, "Too many wrong credentials came from this address: wait.")
            response.headers["Retry-After"] = str(max(1, round(wrong.wait)))
            return response
        except web.HTTPRequestEntityTooLarge:
            return _told(413, "A body has at most 64 KiB.")
        except Impossible as impossible:
            return _told(impossible.status, str(impossible))
        except (_Busy, TooMany):
            response = _told(503, "That is under way as often as it may be: try again.")
            response.headers["Retry-After"] = "1"
            return response

    def _pace_of(self, request: web.BaseRequest) -> Pace:
        """Strangers wait for each other only."""
        handler = cast("Handler", request.protocol)
        if self._operators.recognise(request.headers.getall("Authorization", [])) is not None:
            handler.is_proven = True
        return self._pace if handler.is_proven else self._strangers

    async def _api(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        who = await self._operators.identify(request.headers.getall("Authorization", []), request.remote or "")
        cast("Handler", request.protocol).is_proven = True
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = self._endpoints.get((method, path))
        if endpoint is not None:
            return await endpoint(request, who)
        if (name := _issuer_of(path)) is not None:
            return await self._refresh(who, name) if method == "POST" else _told(405, "POST it.", allow="POST")
        allow = ", ".join(one for one, where in self._endpoints if where == path)
        if allow:
            return _told(405, "This is asked otherwise.", allow=allow)
        return _told(404, "There is nothing at this path.")

    # What is read

    async def _status(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        status = status_of(self._program.about(), self._history, now=self._clock())
        return _json({**status, "read_only": self._read_only, "who": who})

    async def _refusals(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        now = self._clock()
        more = sum(step.more for step in self._history.steps(now))
        return _json({"refusals": refusals_shown(self._history.refusals, self._advice), "more": more})

    async def _traffic(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        accepts = ",".join(request.headers.getall("Accept", []))
        if "text/event-stream" not in accepts or request.method == "HEAD":
            return _json(self._whole())
        if self._streams >= STREAMS:
            raise _Busy
        self._streams += 1
        try:
            return await self._stream(request)
        finally:
            self._streams -= 1

    def _whole(self) -> dict[str, Any]:
        steps = [self._history.shown(step) for step in self._history.steps(self._clock())]
        return {"now": self._clock(), "step": STEP, "steps_kept": STEPS, "steps": steps}

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            async for event in self._events(lambda: request.transport is None):
                await response.write(event)
        except ConnectionError:
            # Whoever read it is gone.
            pass
        return response

    async def _events(self, is_gone: Callable[[], bool]) -> AsyncIterator[bytes]:
        yield _event("traffic", self._whole())
        told_at = self._clock()
        silent = 0.0
        while not await _passed(self._stopping, LOOK) and not is_gone():
            now = self._clock()
            changed = [step for step in self._history.steps(now) if step.at + STEP > told_at]
            told_at = now
            if changed:
                silent = 0.0
                yield _event("steps", {"now": now, "steps": [self._history.shown(step) for step in changed]})
            elif (silent := silent + LOOK) >= HEARTBEAT:
                silent = 0.0
                yield b": here\n\n"

    async def _list(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        after = request.rel_url.query.get("after", "")
        return _json(await self._program.ask("list", {"after": after, "most": PAGE}))

    async def _explain(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        asked = await _asked(request)
        if self._explaining.locked():
            raise _Busy
        async with self._explaining:
            return _json(await self._program.ask("explain", asked))

    # What is changed

    async def _revoke(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        self._check_writable()
        return await self._change("revoke", await _asked(request), who)

    async def _lift(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        self._check_writable()
        return await self._change("lift", await _asked(request), who)

    async def _refresh(self, who: str, name: str) -> web.StreamResponse:
        self._check_writable()
        return await self._change("refresh", {"issuer": name}, who)

    async def _change(self, deed: Deed, asked: dict[str, Any], who: str) -> web.StreamResponse:
        done = await self._program.ask(deed, {**asked, "who": who})
        log.info("console: %s%s by %s", deed, f" of {shown(done['about'])[:_SAID]}" if "about" in done else "", who)
        return _json(done)

    async def _reload(self, request: web.BaseRequest, who: str) -> web.StreamResponse:
        self._check_writable()
        await _asked(request, may_be_empty=True)
        log.info("console: reload by %s", who)
        return _json(await self._program.reload())

    def _check_writable(self) -> None:
        if self._read_only:
            raise Impossible("The console is read-only (console.read_only).", status=403)


async def _passed(event: asyncio.Event, seconds: float) -> bool:
    """Lets the time pass; whether the event was set meanwhile."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _asked(request: web.BaseRequest, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The members of a JSON object. Impossible."""
    body = await request.read()
    if not body and may_be_empty:
        return {}
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise Impossible("The body is no JSON object.", status=400)
    return members


def _issuer_of(path: str) -> str | None:
    """The name in /api/issuers/NAME/refresh; it may have slashes in it, written as %2F."""
    begin, end = "/api/issuers/", "/refresh"
    if not path.startswith(begin) or not path.endswith(end) or len(path) <= len(begin) + len(end):
        return None
    return unquote(path[len(begin) : -len(end)], errors="replace")


def _json(value: object) -> web.Response:
    return plain(200, json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n")


def _told(status: int, sentence: str, *, allow: str | None = None) -> web.Response:
    response = plain(status, json.dumps({"error": sentence}).encode("ascii") + b"\n")
    if allow is not None:
        response.headers["Allow"] = allow
    return response


def _event(name: str, value: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode("ascii")
