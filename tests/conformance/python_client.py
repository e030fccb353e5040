#!/usr/bin/env python3
"""Lets the Python SDK (PyPI `mcp`) be asked by the conformance server: a person, a model and roots,
in both eras, over HTTP, over stdio and over the transport of 2024-11-05.

usage: python_client.py URL SSE_URL SERVER CONFIGURATION
"""

import sys
from contextlib import asynccontextmanager

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client

SECONDS = 30


def expect(holds, what, got=None):
    if not holds:
        sys.exit(f"not ok - {what}, got: {got!r}"[:400])


def text_of(result):
    return "".join(getattr(block, "text", "") for block in result.content)


async def elicited(_context, params):
    wanted = params.requested_schema["properties"]
    content = {"name": "Agnes", "color": "blue", "ok": True, "context": "disks"}
    chosen = {key: content[key] for key in wanted}
    return types.ElicitResult(action="accept", content=chosen)


async def sampled(_context, params):
    question = params.messages[0].content.text
    answer = types.TextContent(type="text", text=f"answer to: {question}")
    return types.CreateMessageResult(role="assistant", content=answer, model="test")


async def roots(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///srv/data")])


ASKED = {
    "test_input_required_result_elicitation": "Hello, Agnes!",
    "test_input_required_result_sampling": "answer to: What is the capital of France?",
    "test_input_required_result_list_roots": "Roots: file:///srv/data",
    "test_input_required_result_request_state": "state-ok",
    "test_input_required_result_multi_round": "Agnes likes blue",
    "test_input_required_result_multiple_inputs": "answer to: Generate a greeting Agnes, 1 roots",
}


@asynccontextmanager
async def connected(transport, mode, able=True):
    callbacks = {}
    if able:
        callbacks = {
            "elicitation_callback": elicited,
            "sampling_callback": sampled,
            "list_roots_callback": roots,
        }
    async with Client(transport, mode=mode, read_timeout_seconds=SECONDS, **callbacks) as client:
        yield client


async def check(name, make, mode):
    async with connected(make(), mode) as client:
        for tool, expected in ASKED.items():
            text = text_of(await client.call_tool(tool, {}))
            expect(text == expected, f"{name}: {tool}", text)
        prompt = await client.get_prompt("test_input_required_result_prompt")
        text = prompt.messages[0].content.text
        expect("disks" in text, f"{name}: a prompt that asks", text)
    print(f"ok - {name}: a client is asked and answers")
    async with connected(make(), mode, able=False) as client:
        try:
            answer = await client.call_tool("test_missing_capability", {})
            sys.exit(f"not ok - {name}: it was not refused: {answer}")
        except MCPError as error:
            expect("sampling" in str(error), f"{name}: why a call is refused", str(error))
    print(f"ok - {name}: a client that cannot answer is told so")


async def run(url, sse_url, server, configuration):
    def stdio():
        return stdio_client(
            StdioServerParameters(command=server, args=[configuration, "--stdio"])
        )

    await check("HTTP, 2026-07-28", lambda: url, "auto")
    await check("HTTP, handshake", lambda: url, "legacy")
    await check("stdio, 2026-07-28", stdio, "auto")
    await check("stdio, handshake", stdio, "legacy")
    await check("HTTP with server-sent events", lambda: sse_client(sse_url), "legacy")


if __name__ == "__main__":
    anyio.run(run, *sys.argv[1:])
