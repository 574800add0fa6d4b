"""An MCP server as people write them: it knows nothing of tokens, and nothing of the gateway in front of it.

Argument: the port on loopback.
"""

import sys

from mcp.server.mcpserver import Context, MCPServer
from starlette.requests import Request

server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Counts, and says how far it is."""
    for number in range(to):
        await ctx.report_progress(number + 1, to)
    return f"counted to {to}"


@server.tool()
def who(ctx: Context) -> str:
    """Who calls, as the gateway says it; and whether a token came along."""
    request = ctx.request_context.request
    assert isinstance(request, Request)
    return f"{request.headers.get('x-user-id')}, token: {'authorization' in request.headers}"


if __name__ == "__main__":
    server.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
