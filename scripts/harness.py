"""What scripts/bench and scripts/hostile share: a server to measure, and what /proc tells of it.

Only the Python 3 standard library. Everything is on the loopback interface, and every process that
is started here is ended here.
"""

import json
import os
import re
import resource
import socket
import ssl
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEY = "a key of the load generator, long enough to be taken"
VERSION = "2026-07-28"
SERVER_CORE, LOAD_CORE = {0}, {max(os.sched_getaffinity(0))}

BODY = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {
            "name": "echo",
            "arguments": {"text": "hello from a load generator, some forty bytes of text"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    },
    separators=(",", ":"),
)
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": VERSION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "echo",
}

CONFIGURATION = """
[server]
state_directory = "{state}"
drain_seconds = 1
[host]
enabled = false
[transports.http]
listen = "127.0.0.1:{port}"
[limits]
max_connections = 30000
max_connections_per_address = 30000
requests_per_connection = 0
calls = 1024
calls_per_user = 1024
"""
TLS = "[tls]\n"
GUARDS = """
[[authentication.api_keys]]
key = { env = "ECHO_KEY" }
user = "load"
roles = ["user"]
[rate_limiting]
max_attempts_per_second = 1000000
burst = 1000000
address_attempts_per_second = 1000000
"""
NO_GUARDS = """
[authentication]
enabled = false
[authorization]
enabled = false
[rate_limiting]
enabled = false
[validation]
json_schema = false
output_schema = false
[audit]
enabled = false
[security_headers]
enabled = false
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_descriptor_limit():
    """As many as may be; gives the number."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def request(body=BODY, **more):
    """The bytes of one POST."""
    lines = ["POST /mcp HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}"]
    lines += [f"{name}: {value}" for name, value in {**HEADERS, **more}.items()]
    lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Process:
    """A server under load: started, looked at, ended."""

    def __init__(self, command, port, core=SERVER_CORE, descriptors=None, env=None, log=None):
        def prepare():
            os.sched_setaffinity(0, core)
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.port = port
        self.started = time.monotonic()
        self.child = subprocess.Popen(
            [str(part) for part in command],
            preexec_fn=prepare,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(log, "ab") if log else subprocess.DEVNULL,
            env={**os.environ, "ECHO_KEY": KEY, **(env or {})},
        )

    def connect(self, timeout=10):
        """A connection, as soon as the server listens."""
        end = time.monotonic() + timeout
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout)
            except ConnectionRefusedError:
                if self.child.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.0002)

    def ready(self):
        self.connect().close()
        time.sleep(0.2)
        return self

    def _pids(self):
        found = [self.child.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        return found

    def rss(self):
        """Resident KiB, children and all."""
        status = (Path(f"/proc/{pid}/status").read_text() for pid in self._pids())
        return sum(int(re.search(r"VmRSS:\s+(\d+)", text)[1]) for text in status)

    def cpu(self):
        """Seconds of processor time so far."""
        ticks = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.child.pid}/fd"))

    def is_alive(self):
        return self.child.poll() is None

    def end(self):
        if self.is_alive():
            self.child.terminate()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode


ECHO = (ROOT / "target/release/examples/echo_server",)


class Echo(Process):
    """The example server, or another `program`, with a configuration of its own."""

    def __init__(self, folder, name="echo", tls=True, guards=True, extra="", program=ECHO, **options):
        port = free_port()
        self.state = Path(folder) / f"{name}.state"
        configuration = Path(folder) / f"{name}.toml"
        log = Path(folder) / f"{name}.log"
        text = CONFIGURATION.format(state=self.state, port=port)
        text = merged(text, extra)
        text += (TLS if tls else "") + (GUARDS if guards else NO_GUARDS)
        if guards:
            text += f'[audit.backend_config]\nlog_path = "{folder}/{name}.audit"\n'
        configuration.write_text(text)
        self.tls = tls
        super().__init__([*program, configuration], port, log=log, **options)
        self.context = None

    def open(self):
        """A connection to ask over."""
        raw = self.connect()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return raw
        if self.context is None:
            self.context = ssl.create_default_context(cafile=self.state / "ca.pem")
        return self.context.wrap_socket(raw, server_hostname="localhost")


def merged(text, extra):
    """Keys of `extra` ("[table]" lines and keys) put into the tables that `text` has already."""
    table = ""
    for line in extra.strip().splitlines():
        if line.startswith("["):
            table = line
        elif table in text:
            key = line.split("=")[0].strip()
            text = re.sub(rf"(?m)^{key} = .*\n", "", text)
            text = text.replace(table + "\n", f"{table}\n{line}\n")
        else:
            text += f"{table}\n{line}\n"
    return text


def answer(connection):
    """Reads one response with a Content-Length; gives status and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise EOFError("the server closed")
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body
