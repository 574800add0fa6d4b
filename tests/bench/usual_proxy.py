"""How a reverse proxy is usually written with aiohttp: the baseline. Neither tokens nor a log.

`python usual_proxy.py PORT UPSTREAM`
"""

import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

SESSION = web.AppKey("session", ClientSession)
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}


async def forward(request: web.Request) -> web.StreamResponse:
    headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
    async with request.app[SESSION].request(
        request.method,
        sys.argv[2] + request.path_qs,
        headers=headers,
        data=request.content if request.body_exists else None,
        allow_redirects=False,
    ) as response:
        passed = {name: value for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP}
        received = web.StreamResponse(status=response.status, headers=passed)
        received.content_length = response.content_length
        await received.prepare(request)
        async for chunk in response.content.iter_any():
            await received.write(chunk)
        return received


async def session(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession(
        connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), auto_decompress=False
    ) as app[SESSION]:
        yield


if __name__ == "__main__":
    application = web.Application()
    application.cleanup_ctx.append(session)
    application.router.add_route("*", "/{path:.*}", forward)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
