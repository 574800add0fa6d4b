"""What the conformance tests of MCP start for each scenario: the client itself runs where the tests do, and is there already.

Arguments: the socket where it is asked for, and the URL of the tests' server. What it says is why it failed.
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as wire:
    wire.connect(sys.argv[1])
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    asked = {"scenario": os.environ["MCP_CONFORMANCE_SCENARIO"], "server": sys.argv[2], "context": context}
    wire.sendall(json.dumps(asked).encode() + b"\n")
    said = wire.makefile().read()
sys.exit(said or 0)
