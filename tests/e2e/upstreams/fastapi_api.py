"""An API on FastAPI as people write it; knows nothing of the gateway."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import Cookie, FastAPI, HTTPException, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel

app = FastAPI(title="Orders")
app.add_middleware(GZipMiddleware, minimum_size=500)
_go_on = asyncio.Event()


class Order(BaseModel):
    article: str
    count: int = 1


@app.get("/hello/{name}")
async def hello(name: str, request: Request, limit: int = 10) -> dict[str, object]:
    return {"name": name, "limit": limit, "query": request.query_params.multi_items()}


@app.get("/whoami")
async def whoami(request: Request) -> dict[str, str]:
    names = {"user": "x-user-id", "client": "x-client-id", "scopes": "x-token-scopes", "authorization": "authorization"}
    # As a CGI would see them, so that another spelling counts too.
    seen = [(name.decode().lower().replace("_", "-").replace(".", "-"), value) for name, value in request.headers.raw]
    return {
        key: ",".join(value.decode("latin-1") for other, value in seen if other == name) for key, name in names.items()
    }


@app.get("/where")
async def where(request: Request) -> dict[str, object]:
    return {
        "url": str(request.url),
        "base": str(request.base_url),
        "path": request.scope["raw_path"].decode(),
        "peer": request.client.host if request.client else None,
        "hello": str(request.url_for("hello", name="x y")),
    }


@app.post("/orders", status_code=201)
async def order(order: Order, response: Response) -> Order:
    response.headers["Location"] = "/orders/1"
    return order


@app.put("/raw")
async def raw(request: Request) -> dict[str, object]:
    digest, count = hashlib.sha256(), 0
    async for chunk in request.stream():
        digest.update(chunk)
        count += len(chunk)
    return {"sha256": digest.hexdigest(), "bytes": count, "length": request.headers.get("content-length")}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(200):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/events")
async def events() -> StreamingResponse:
    async def said() -> AsyncIterator[str]:
        _go_on.clear()
        yield "data: 1\n\n"
        await _go_on.wait()
        yield "id: 2\ndata: 2\n\n"

    return StreamingResponse(said(), media_type="text/event-stream")


@app.post("/go-on", status_code=204)
async def go_on() -> None:
    _go_on.set()


@app.get("/cookies")
async def cookies(response: Response, a: Annotated[str | None, Cookie()] = None) -> dict[str, str | None]:
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "2", max_age=60, secure=True)
    return {"a": a}


@app.get("/leave")
async def leave(request: Request) -> RedirectResponse:
    return RedirectResponse(request.url_for("where"))


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(Path(__file__), media_type="text/x-python", headers={"ETag": '"the-file"'})


@app.get("/long")
async def long() -> PlainTextResponse:
    return PlainTextResponse("bearer " * 1000)


@app.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418, "short and stout", headers={"X-Spout": "yes"})


@app.get("/fail")
async def fail() -> None:
    raise ZeroDivisionError


@app.delete("/orders/{number}", status_code=204)
async def cancel(number: int) -> None:
    """Nothing is left of it."""
