"""An API on Flask as people write it, behind a proxy as Flask's own documentation says; knows nothing of the gateway."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from flask import Flask, Response, jsonify, make_response, redirect, request, send_file, session, url_for
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

app = Flask(__name__)
app.secret_key = "a secret of the application"
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
_go_on = Event()


@app.get("/hello/<name>")
def hello(name: str) -> Response:
    return jsonify(name=name, query=request.args.to_dict(flat=False), agent=request.headers.get("User-Agent"))


@app.get("/whoami")
def whoami() -> Response:
    names = {"user": "X-User-Id", "client": "X-Client-Id", "scopes": "X-Token-Scopes", "authorization": "Authorization"}
    return jsonify({key: request.headers.get(name, "") for key, name in names.items()})


@app.get("/where")
def where() -> Response:
    return jsonify(
        url=request.url,
        root=request.url_root,
        host=request.host,
        peer=request.remote_addr,
        outside=url_for("where", a="b c", _external=True),
        inside=url_for("hello", name="ü/x"),
    )


@app.post("/json")
def echo_json() -> tuple[Response, int]:
    return jsonify(received=request.get_json()), 201


@app.post("/form")
def form() -> Response:
    return jsonify(form=request.form.to_dict(flat=False), length=request.content_length)


@app.post("/upload")
def upload() -> Response:
    files = {
        name: [file.filename, file.mimetype, hashlib.sha256(file.read()).hexdigest()]
        for name, file in request.files.items()
    }
    return jsonify(files=files, fields=request.form.to_dict(), length=request.content_length)


@app.put("/raw")
def raw() -> Response:
    return jsonify(
        sha256=hashlib.sha256(request.get_data()).hexdigest(), encoding=request.headers.get("Content-Encoding")
    )


@app.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(200):
            yield f"line {number}\n"

    return Response(lines(), mimetype="text/plain")


@app.get("/events")
def events() -> Response:
    def said() -> Iterator[str]:
        _go_on.clear()
        yield "data: 1\n\n"
        _go_on.wait(10)
        yield "id: 2\ndata: 2\n\n"

    return Response(said(), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.post("/go-on")
def go_on() -> tuple[str, int]:
    _go_on.set()
    return "", 204


@app.get("/cookies")
def cookies() -> AnyResponse:
    response = make_response(jsonify(dict(request.cookies)))
    response.set_cookie("a", "1", httponly=True, samesite="Lax")
    response.set_cookie("b", 'x "y"; z', max_age=60, path="/cookies")
    response.delete_cookie("c")
    return response


@app.post("/login")
def login() -> AnyResponse:
    session["name"] = request.form["name"]
    return redirect(url_for("visits"), 303)


@app.get("/visits")
def visits() -> Response:
    session["visits"] = session.get("visits", 0) + 1
    return jsonify(name=session.get("name"), visits=session["visits"])


@app.get("/leave")
def leave() -> AnyResponse:
    return redirect(url_for("where", _external=True))


@app.get("/file")
def file() -> Response:
    return send_file(Path(__file__), mimetype="text/x-python", conditional=True, etag="the-file")


@app.get("/fail")
def fail() -> Response:
    raise ZeroDivisionError


@app.get("/fail-late")
def fail_late() -> Response:
    def lines() -> Iterator[str]:
        yield "first\n"
        raise ZeroDivisionError

    return Response(lines(), mimetype="text/plain")


@app.get("/slow")
def slow() -> Response:
    time.sleep(0.1)
    return Response("slow", mimetype="text/plain")
