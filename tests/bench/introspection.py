"""An issuer that is asked about opaque tokens (RFC 7662), on the core of the load: it knows one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.bench.tokens import AUDIENCE, CLIENT, ISSUER, Tokens, subject


@contextmanager
def introspection(tokens: Tokens) -> Iterator[int]:
    """Its port on loopback, while it runs."""
    known = json.dumps(
        {
            "active": True,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject(0),
            "client_id": CLIENT,
            "token_type": "Bearer",
            "scope": "read:orders write:orders",
        }
    ).encode()

    class Endpoint(BaseHTTPRequestHandler):
        """Says of each token whether it is active."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
            body = known if form.get("token") == [tokens.opaque] else b'{"active": false}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
