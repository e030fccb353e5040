#!/usr/bin/env python3
"""Checks erlmcp as an OAuth 2.1 resource server against authorization servers that others have
written, and with the Python SDK (PyPI `mcp`) finding its way by itself: challenge, metadata, token,
step-up.

usage: oauth_client.py BINARY FOLDER ISSUERS.mjs
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx2
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

SECONDS = 30

TOOLS = """
[host]
enabled = false
[rate_limiting]
enabled = false
[[tools]]
name = "look"
description = "Looks."
command = ["/bin/echo", "seen"]
read_only = true
[[tools]]
name = "change"
description = "Changes something."
command = ["/bin/echo", "changed"]
"""


def expect(holds, what, got=None):
    if not holds:
        sys.exit(f"not ok - {what}, got: {got!r}"[:600])
    print(f"ok - {what}", flush=True)


class Issuers:
    """The authorization servers."""

    def __init__(self, program):
        command = ["node", program]
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        told = self.read()
        self.oidc, self.mock = told["oidc"], told["mock"]

    def read(self):
        for line in self.child.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit("not ok - the authorization servers have ended")

    def rotate(self):
        self.child.stdin.write("rotate\n")
        self.child.stdin.flush()
        while "generation" not in self.read():
            pass

    def end(self):
        self.child.stdin.close()
        self.child.wait(SECONDS)


class Server:
    """One erlmcp."""

    def __init__(self, binary, folder, name, authentication):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"
        folder = folder / name
        folder.mkdir(parents=True)
        path = folder / "erlmcp.toml"
        text = f"""
[server]
state_directory = "{folder}/state"
[transports.http]
listen = "127.0.0.1:{port}"
tls = false
public_url = "{self.url}"
[authorization]
scopes = {{ "mcp:read" = ["read"], "mcp:call" = ["execute"] }}
{authentication.replace("URL", self.url)}
{TOOLS}
"""
        path.write_text(text)
        path.chmod(0o600)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [binary, "serve", "--config", path]
            self.child = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(100):
            if "listening on http" in self.log.read_text():
                return
            time.sleep(0.1)
        sys.exit(f"not ok - the server did not start: {self.log.read_text()}")

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        expect(self.child.wait(SECONDS) == 0, "the server ends with status 0 when asked to")


class Storage:
    """Keeps a token as long as this program runs."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def text_of(result):
    return "".join(getattr(block, "text", "") for block in result.content)


async def chain(server, issuer, mode):
    """The whole way of a client that knows nothing but a URL and its own secret."""
    storage = Storage()
    statuses = []

    async def record(response):
        statuses.append(response.status_code)

    auth = ClientCredentialsOAuthProvider(
        server_url=server.url,
        storage=storage,
        client_id="agent",
        client_secret="agent-secret",
        issuer=issuer,
    )
    hooks = {"response": [record]}
    async with httpx2.AsyncClient(auth=auth, timeout=SECONDS, event_hooks=hooks) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, mode=mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            expect(names == {"look", "change"}, f"{mode}: what a token could do is listed", names)
            looked = text_of(await client.call_tool("look", {}))
            expect(looked == "seen\n", f"{mode}: the scope of the challenge is enough to look", looked)
            first = storage.tokens.scope
            changed = text_of(await client.call_tool("change", {}))
            expect(changed == "changed\n", f"{mode}: a step up lets it change", changed)
            more = set((storage.tokens.scope or "").split())
            wanted = {"mcp:read", "mcp:call"}
            expect(more == wanted, f"{mode}: the second token has both scopes", (first, more))
    return statuses


class Raw:
    """Tokens as they are."""

    def __init__(self, server, issuer):
        self.server, self.issuer = server, issuer
        self.http = httpx2.Client(timeout=SECONDS)

    def token(self, resource, scope="mcp:read"):
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
        answer = self.http.post(f"{self.issuer}/token", data=form, auth=("agent", "agent-secret"))
        return answer.json()["access_token"]

    def revoke(self, token):
        form = {"token": token}
        url = f"{self.issuer}/token/revocation"
        return self.http.post(url, data=form, auth=("agent", "agent-secret")).status_code

    def call(self, token):
        version = "2026-07-28"
        meta = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "look", "arguments": {}, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": version,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "look",
        }
        return self.http.post(self.server.url, json=message, headers=headers)


def wait_for(status, ask):
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if ask().status_code == status:
            return True
        time.sleep(0.2)
    return False


def tokens(server, issuers):
    raw = Raw(server, issuers.oidc)
    for kind in ["", "/rs256", "/eddsa", "/opaque"]:
        token = raw.token(server.url + kind)
        for _ in range(2):
            answer = raw.call(token)
            expect(answer.status_code == 200, f"a token for .../mcp{kind} is taken", answer.text)
    answer = raw.call(raw.token("https://elsewhere.example.com/mcp"))
    expect(answer.status_code == 401, "a token for somebody else is not", answer.text)
    good = raw.token(server.url)
    message, signature = good.rsplit(".", 1)
    forged = f"{message}.{signature[::-1]}"
    expect(raw.call(forged).status_code == 401, "nor is one with another signature")
    opaque = raw.token(server.url + "/opaque")
    expect(raw.call(opaque).status_code == 200, "a token that only its issuer can read is taken")
    expect(raw.revoke(opaque) == 200, "it is revoked")
    expect(wait_for(401, lambda: raw.call(opaque)), "and soon it is not taken any more")
    issuers.rotate()
    new = raw.token(server.url)
    expect(wait_for(200, lambda: raw.call(new)), "a token by a new key is taken")
    expect(raw.call(good).status_code == 401, "one by a key that is gone is not")


def run(binary, folder, program):
    issuers = Issuers(program)
    jwt = """
[authentication]
methods = ["jwt", "oauth2"]
[authentication.jwt]
required_issuer = "ISSUER"
required_audience = ["URL", "URL/rs256", "URL/eddsa"]
jwks_url = "ISSUER/jwks"
algorithms = ["ES256", "RS256", "EdDSA"]
CLAIM
"""
    introspection = """
[authentication.oauth2]
introspection_url = "ISSUER/token/introspection"
client_id = "erlmcp"
client_secret = "erlmcp-secret"
required_audience = "URL/opaque"
user_claim = "client_id"
cache_ttl_seconds = 1
"""
    both = (jwt + introspection).replace("CLAIM", 'user_claim = "client_id"')
    server = Server(binary, folder, "oidc", both.replace("ISSUER", issuers.oidc))
    tokens(server, issuers)
    for mode in ("auto", "legacy"):
        anyio.run(chain, server, issuers.oidc, mode)
    server.end()

    only = jwt.replace("CLAIM", "").replace('"jwt", "oauth2"', '"jwt"')
    server = Server(binary, folder, "mock", only.replace("ISSUER", issuers.mock))
    for mode in ("auto", "legacy"):
        statuses = anyio.run(chain, server, issuers.mock, mode)
        told = {status for status in statuses if status in (401, 403)}
        expect(told == {401, 403}, f"{mode}: it was challenged twice", statuses)
    server.end()
    issuers.end()


if __name__ == "__main__":
    run(os.path.realpath(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
