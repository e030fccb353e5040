#!/usr/bin/env python3
"""Checks a running erlmcp with the Python SDK (PyPI `mcp`), as its users would drive it.

Over HTTPS the server is named by MCP_URL, MCP_KEY and MCP_CA (a PEM file). Over stdio its command
is given as arguments, or as one shell line in MCP_STDIO_COMMAND.
"""

import os
import shlex
import ssl
import sys
from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PromptReference

# What the SDK is told, and the revision that must come of it: `auto` falls back in silence, so a
# server that is no longer understood as a modern one would go unnoticed without the second column.
MODES = {"auto": "2026-07-28", "2026-07-28": "2026-07-28", "legacy": "2025-11-25"}
HELLO = "docs://manual/hello.txt"
SECONDS = 30


class Failed(Exception):
    """A check did not hold; the text says which and what came instead."""


def expect(holds, what, got=None):
    if not holds:
        raise Failed(f"{what}, got: {got!r}"[:400])


def text_of(result):
    return "".join(getattr(block, "text", "") for block in result.content)


@asynccontextmanager
async def https(key, statuses):
    async def record(response):
        statuses.append(response.status_code)

    tls = ssl.create_default_context(cafile=os.environ["MCP_CA"])
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        verify=tls, headers=headers, timeout=SECONDS, event_hooks={"response": [record]}
    ) as client:
        yield streamable_http_client(os.environ["MCP_URL"], http_client=client)


async def tools(client):
    names = {tool.name for tool in (await client.list_tools()).tools}
    expect({"echo", "add", "slow_count"} <= names, "tools/list lacks a tool of the fixture", names)
    yield "tools are listed"

    answer = await client.call_tool("echo", {"text": "grüße, мир"})
    expect(not answer.is_error and text_of(answer) == "grüße, мир", "echo changed its text", answer)
    yield "a tool is called"

    answer = await client.call_tool("add", {"a": 2, "b": 3})
    expect(answer.structured_content == {"sum": 5}, "add has no structured sum of 5", answer)
    yield "a tool answers with structured content"

    try:
        answer = await client.call_tool("no_such_tool", {})
    except MCPError as error:
        expect(error.code == -32602, "an unknown tool has the wrong error code", error.code)
    else:
        expect(answer.is_error, "an unknown tool was answered as a success", answer)
    yield "an unknown tool is an error"

    seen = []

    async def progress(done, total, _message):
        seen.append((done, total))

    answer = await client.call_tool("slow_count", {"count": 3}, progress_callback=progress)
    expect(not answer.is_error and text_of(answer), "slow_count failed", answer)
    with anyio.move_on_after(2):  # the callbacks run beside the call and may end after it
        while len(seen) < 3:
            await anyio.sleep(0.01)
    expect(seen == [(1, 3), (2, 3), (3, 3)], "progress is not 1, 2, 3 of 3", seen)
    yield "progress is received in order"

    with anyio.CancelScope() as scope:

        async def cancel(_done, _total, _message):
            scope.cancel()

        answer = await client.call_tool("slow_count", {"count": 100}, progress_callback=cancel)
        raise Failed(f"a cancelled call was answered, got: {answer!r}"[:400])
    answer = await client.call_tool("echo", {"text": "after"})
    expect(text_of(answer) == "after", "echo failed after a cancelled call", answer)
    yield "a call is cancelled"


async def resources(client):
    uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
    expect(HELLO in uris, f"resources/list lacks {HELLO}", uris)
    templates = (await client.list_resource_templates()).resource_templates
    templates = [template.uri_template for template in templates]
    expect(any("{" in template for template in templates), "no resource template", templates)
    yield "resources and templates are listed"

    contents = (await client.read_resource(HELLO)).contents
    texts = [getattr(part, "text", None) for part in contents]
    expect(texts == ["hello from a file\n"], f"{HELLO} has the wrong text", texts)
    yield "a resource is read"


async def prompts(client):
    names = [prompt.name for prompt in (await client.list_prompts()).prompts]
    expect("greeting" in names, "prompts/list lacks greeting", names)
    messages = (await client.get_prompt("greeting", {"name": "Ada"})).messages
    expect(any("Ada" in getattr(m.content, "text", "") for m in messages), "no Ada in it", messages)
    yield "a prompt is listed and got"

    ref = PromptReference(type="ref/prompt", name="greeting")
    completion = (await client.complete(ref, {"name": "name", "value": "wo"})).completion
    expect(list(completion.values) == ["world"], "`wo` does not complete to world", completion)
    yield "an argument is completed"


async def check(transport, mode, label):
    async with Client(transport, mode=mode, read_timeout_seconds=SECONDS) as client:
        version = client.protocol_version
        expect(version == MODES[mode], f"mode {mode} should end at {MODES[mode]}", version)
        print(f"ok - {label}: connected with {version}", flush=True)
        for group in (tools, resources, prompts):
            async for passed in group(client):
                print(f"ok - {label}: {passed}", flush=True)


async def refused(mode, label):
    """A wrong key must be answered 401; any other end of the attempt proves nothing."""
    statuses = []
    try:
        async with https("not-the-key-of-this-server", statuses) as transport:
            async with Client(transport, mode=mode) as client:
                await client.list_tools()
    except Exception:  # which one is the SDK's affair: the recorded status is what counts
        expect(statuses and set(statuses) == {401}, "a wrong key is not answered 401", statuses)
        print(f"ok - {label}: a wrong key is refused", flush=True)
        return
    raise Failed("a wrong key was let in")


async def run(command):
    for mode in MODES:
        label = f"python {'stdio' if command else 'https'} {mode}"
        try:
            with anyio.fail_after(2 * SECONDS):
                if command:
                    server = StdioServerParameters(command=command[0], args=command[1:])
                    await check(stdio_client(server), mode, label)
                else:
                    async with https(os.environ["MCP_KEY"], []) as transport:
                        await check(transport, mode, label)
                    await refused(mode, label)
        except BaseException as error:
            raise Failed(f"{label}: {first_cause(error)}") from error


def first_cause(error):
    """The SDK's task groups wrap what happened; one sentence wants the innermost."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"


def main():
    command = sys.argv[1:] or shlex.split(os.environ.get("MCP_STDIO_COMMAND", ""))
    try:
        anyio.run(run, command)
    except Failed as failure:
        print(f"not ok - {failure}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
