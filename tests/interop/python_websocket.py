#!/usr/bin/env python3
"""Checks a running erlmcp over WebSocket with the Python SDK of the first generation (PyPI `mcp`
before 2), the last that speaks it. Environment: MCP_WS_URL, MCP_KEY and MCP_CA (a PEM file).
"""

import functools
import os
import ssl
import sys
from contextlib import asynccontextmanager

import anyio
import mcp.client.websocket as sdk
from mcp import ClientSession
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

HELLO = "docs://manual/hello.txt"
SECONDS = 60


class Failed(Exception):
    """A check did not hold; the text says which and what came instead."""


def expect(holds, what, got=None):
    if not holds:
        raise Failed(f"{what}, got: {got!r}"[:400])


@asynccontextmanager
async def session(headers):
    """The SDK has no argument for headers or authorities: they are given to what it connects with."""
    tls = ssl.create_default_context(cafile=os.environ["MCP_CA"])
    sdk.ws_connect = functools.partial(connect, additional_headers=headers, ssl=tls)
    async with sdk.websocket_client(os.environ["MCP_WS_URL"]) as (read, write):
        async with ClientSession(read, write) as client:
            yield client


def text_of(result):
    return "".join(getattr(block, "text", "") for block in result.content)


async def checks(client):
    version = (await client.initialize()).protocolVersion
    expect(version == "2025-11-25", "the revision should be 2025-11-25", version)
    yield f"connected with {version}"

    names = {tool.name for tool in (await client.list_tools()).tools}
    expect({"echo", "add", "slow_count"} <= names, "tools/list lacks a tool of the fixture", names)
    yield "tools are listed"

    answer = await client.call_tool("echo", {"text": "grüße, мир"})
    expect(text_of(answer) == "grüße, мир", "echo changed its text", answer)
    long = "x" * 100_000
    answer = await client.call_tool("echo", {"text": long})
    expect(text_of(answer) == long, "a long echo changed its text", len(text_of(answer)))
    yield "a tool is called, with a long text too"

    answer = await client.call_tool("add", {"a": 2, "b": 3})
    expect(answer.structuredContent == {"sum": 5}, "add has no structured sum of 5", answer)
    yield "a tool answers with structured content"

    seen = []

    async def progress(done, total, _message):
        seen.append((done, total))

    answer = await client.call_tool("slow_count", {"count": 3}, progress_callback=progress)
    expect(not answer.isError and text_of(answer), "slow_count failed", answer)
    expect(seen == [(1, 3), (2, 3), (3, 3)], "progress is not 1, 2, 3 of 3", seen)
    yield "progress is received in order"

    order = []

    async def call(count):
        await client.call_tool("slow_count", {"count": count})
        order.append(count)

    async with anyio.create_task_group() as group:
        group.start_soon(call, 8)
        group.start_soon(call, 1)
    expect(order == [1, 8], "a quick call waits for a slow one", order)
    yield "answers come as they are ready"

    contents = (await client.read_resource(HELLO)).contents
    texts = [getattr(part, "text", None) for part in contents]
    expect(texts == ["hello from a file\n"], f"{HELLO} has the wrong text", texts)
    yield "a resource is read"

    messages = (await client.get_prompt("greeting", {"name": "Ada"})).messages
    expect(any("Ada" in getattr(m.content, "text", "") for m in messages), "no Ada in it", messages)
    yield "a prompt is got"


def causes(error):
    """What happened, out of the task groups that the SDK wraps it in."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [error]


async def refused(headers):
    try:
        async with session(headers) as client:
            await client.initialize()
    except BaseException as error:
        statuses = [c.response.status_code for c in causes(error) if isinstance(c, InvalidStatus)]
        expect(statuses == [401], "it is not refused with 401", causes(error))
        return
    raise Failed("it was let in")


async def run():
    with anyio.fail_after(SECONDS):
        async with session({"Authorization": f"Bearer {os.environ['MCP_KEY']}"}) as client:
            async for passed in checks(client):
                print(f"ok - python websocket: {passed}", flush=True)
        for headers in ({}, {"Authorization": "Bearer not-the-key-of-this-server"}):
            await refused(headers)
        print("ok - python websocket: no key and a wrong one are refused", flush=True)


def main():
    try:
        anyio.run(run)
    except BaseException as error:
        texts = [f"{type(cause).__name__}: {cause}" for cause in causes(error)]
        print(f"not ok - python websocket: {'; '.join(texts)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
