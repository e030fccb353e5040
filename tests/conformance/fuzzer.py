#!/usr/bin/env python3
"""Runs mcp-fuzzer (PyPI) against an erlmcp binary: over HTTP with a key and without one, and over
stdio. It judges each of its findings: one that has no explanation fails.

usage: fuzzer.py BINARY       with the Python that mcp-fuzzer is installed for

The fuzzer calls an answer `accepted_malformed` whenever what it sent might have been malformed.
Here it is explained only if what was sent is in fact valid: arguments by the tool's own schema, a
message by the published schema of the revision. `injection_reflection` is explained for `echo`
alone, whose purpose it is, and whose answers are JSON. Nothing else is explained.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jsonschema
import mcp_fuzzer

KEY = "fuzzer-0123456789abcdef-fuzzer"
REVISION = "2025-11-25"
SEED = "7"
PROTOCOL_TYPES = 24
# Resident memory may grow by so much, in KiB.
GROWTH = 16 * 1024
SECONDS = 120

CONFIGURATION = """
[server]
state_directory = "{folder}/state"
[transports.http]
listen = "127.0.0.1:0"
[tls]
enabled = false
[authentication]
{authentication}
[authorization]
default_role = "all"
roles = {{ all = ["read", "execute"] }}
[rate_limiting]
max_attempts_per_second = 100000
[audit.backend_config]
log_path = "{folder}/audit.log"
[[tools]]
name = "echo"
description = "Says it again."
command = ["/bin/echo", "--", "{{text}}"]
read_only = true
tasks = "optional"
[tools.input_schema]
type = "object"
additionalProperties = false
required = ["text"]
properties.text = {{ type = "string", maxLength = 1000 }}
[[resources]]
name = "documents"
root = "{folder}/documents"
uri_prefix = "docs://fuzzer/"
[[prompts]]
name = "explain"
description = "Explains a topic."
arguments = [{{ name = "topic", required = true }}]
messages = [{{ role = "user", text = "Explain {{topic}}." }}]
"""


def fail(what, got=""):
    sys.exit(f"not ok - {what}: {got}"[:2_000])


class Server:
    """A server over HTTP and what it must be when the fuzzer has gone."""

    def __init__(self, binary, folder, configuration):
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [binary, "serve", "--config", configuration]
            self.child = subprocess.Popen(command, stdout=log, stderr=log)
        self.url = self.wait_for_url()
        self.before = self.memory()

    def wait_for_url(self):
        for _ in range(100):
            if found := re.search(r"listening on (http://\S+)", self.log.read_text()):
                return found[1]
            time.sleep(0.1)
        fail("the server did not start", self.log.read_text())

    def memory(self):
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def end(self):
        if self.child.poll() is not None:
            fail("the server has ended", self.log.read_text()[-1_000:])
        grown = self.memory() - self.before
        if grown > GROWTH:
            fail("the server has grown", f"{grown} KiB")
        host, port = re.match(r"http://([^:/]+):(\d+)", self.url).groups()
        socket.create_connection((host, int(port)), 5).close()
        self.child.send_signal(signal.SIGTERM)
        if status := self.child.wait(30):
            fail("the server ended badly", status)
        if found := re.findall(r".*(?:panicked|ERROR).*", self.log.read_text()):
            fail("the server logged an error", found[0])


def fuzz(folder, *options, environment=None):
    """Runs the fuzzer; gives its findings and its summary."""
    out = folder / "out"
    command = [Path(sys.executable).with_name("mcp-fuzzer"), "--mode", "all", "--phase", "both"]
    command += ["--runs", "5", "--runs-per-type", "5", "--seed", SEED, "--no-corpus"]
    command += ["--timeout", "5", "--tool-timeout", "5", "--output-dir", out, *options]
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})}
    ran = subprocess.run(command, env=variables, timeout=SECONDS, capture_output=True, text=True)
    if not (out / "findings.json").exists():
        fail("the fuzzer did not report", ran.stdout[-800:] + ran.stderr[-800:])
    read = lambda name: json.loads((out / name).read_text())
    return read("findings.json")["findings"], read("run_summary.json"), ran.stdout


class Judge:
    """Knows what is valid."""

    def __init__(self, tools):
        path = Path(mcp_fuzzer.__file__).parent / f"schemas/mcp-spec/schema/{REVISION}/schema.json"
        self.definitions = json.loads(path.read_text())["$defs"]
        self.tools = tools

    def is_valid(self, schema, value):
        schema = {"$defs": self.definitions, **schema}
        return jsonschema.Draft202012Validator(schema).is_valid(value)

    def is_valid_message(self, message):
        for union in ("ClientRequest", "ClientNotification"):
            for member in self.definitions[union]["anyOf"]:
                name = member["$ref"].rsplit("/", 1)[1]
                method = self.definitions[name]["properties"]["method"]["const"]
                if method == message.get("method"):
                    # The evidence leaves the id out, or a token is hidden in it.
                    whole = {"jsonrpc": "2.0", "id": 1, **message}
                    return self.is_valid({"$ref": f"#/$defs/{name}"}, whole)
        return False

    def explains(self, finding):
        category, target = finding["category"], finding["target"]
        if category == "injection_reflection":
            return target == "echo"
        if category != "accepted_malformed":
            return False
        sent = finding["evidence"]["input"]
        if finding["kind"] == "tool":
            return self.is_valid(self.tools[target], sent)
        return self.is_valid_message(sent) or self.is_unknown_notification(finding, sent)

    def is_unknown_notification(self, finding, sent):
        """JSON-RPC gives no answer to a notification, and one that nobody knows means nothing."""
        answer = (finding["evidence"].get("result") or {}).get("response")
        is_form = sent.get("jsonrpc") == "2.0" and isinstance(sent.get("method"), str)
        is_form = is_form and isinstance(sent.get("params", {}), dict)
        known = {
            self.definitions[member["$ref"].rsplit("/", 1)[1]]["properties"]["method"]["const"]
            for union in ("ClientRequest", "ClientNotification")
            for member in self.definitions[union]["anyOf"]
        }
        is_unanswered = answer == {"status": "notification_sent"}
        return is_form and is_unanswered and sent["method"] not in known


def judge(name, fuzzed, tools):
    findings, summary, _ = fuzzed
    judge = Judge(tools)
    for finding in findings:
        if not judge.explains(finding):
            fail(f"{name}: a finding without an explanation", json.dumps(finding))
    tested = set(summary["tools"]["by_name"])
    if tested != set(tools):
        fail(f"{name}: not every tool was fuzzed", sorted(set(tools) ^ tested))
    if summary["protocols"]["total"] != PROTOCOL_TYPES:
        fail(f"{name}: not every type of message was fuzzed", summary["protocols"])
    runs = summary["protocols"]["total_runs"] + summary["tools"]["total_runs"]
    print(f"ok - {name}: {runs} runs, {len(findings)} findings, all of them explained")


def schemas(binary, configuration):
    """The input schemas of all tools, as the server itself lists them."""
    lines = [
        {"id": 1, "method": "initialize", "params": {
            "protocolVersion": REVISION, "capabilities": {},
            "clientInfo": {"name": "fuzzer", "version": "1"}}},
        {"id": 2, "method": "tools/list", "params": {}},
    ]
    text = "".join(json.dumps({"jsonrpc": "2.0", **line}) + "\n" for line in lines)
    command = [binary, "serve", "--stdio", "--config", configuration]
    told = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30).stdout
    tools = json.loads(told.splitlines()[1])["result"]["tools"]
    return {tool["name"]: tool["inputSchema"] for tool in tools}


def prepare(work, name, authentication="enabled = false"):
    folder = work / name
    (folder / "documents").mkdir(parents=True)
    (folder / "documents/hello.txt").write_text("hello\n")
    configuration = folder / "erlmcp.toml"
    text = CONFIGURATION.format(folder=folder, authentication=authentication)
    configuration.write_text(text)
    configuration.chmod(0o600)
    return folder, configuration


def run(binary, work):
    http = ("--protocol", "streamablehttp", "--allow-host", "127.0.0.1", "--security-audit")

    folder, configuration = prepare(work, "open")
    tools = schemas(binary, configuration)
    server = Server(binary, folder, configuration)
    judge("HTTP", fuzz(folder, *http, "--endpoint", server.url), tools)
    server.end()

    keys = f'api_keys = [{{ key = "{KEY}", user = "fuzzer" }}]'
    folder, configuration = prepare(work, "key", keys)
    server = Server(binary, folder, configuration)
    # The fuzzer trusts nobody but the authorities of the web, so it cannot come over TLS.
    key = {"MCP_API_KEY": KEY}
    options = (*http, "--auth-env", "--auth-audit", "--endpoint", server.url)
    judge("HTTP with a key", fuzz(folder, *options, environment=key), tools)
    server.end()

    folder, configuration = prepare(work, "stdio")
    command = f"{binary} serve --stdio --config {configuration}"
    fuzzed = fuzz(folder, "--protocol", "stdio", "--endpoint", command)
    judge("stdio", fuzzed, tools)
    if found := re.findall(r".*(?:panicked at|ERROR).*", fuzzed[2]):
        fail("the server logged an error", found[0])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        run(Path(sys.argv[1]).resolve(), Path(folder))
