#!/usr/bin/env bash
# Checks erlmcp behind HAProxy, which says by the PROXY protocol whom each connection is from: in
# both versions, before TLS that it does not look into, and when it only asks whether we live.
#
# usage: tests/interop/haproxy.sh BINARY FOLDER     FOLDER holds what is made, and is left there
set -euo pipefail

[ $# = 2 ] || { echo "usage: haproxy.sh BINARY FOLDER" >&2; exit 2; }
binary=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
running=()
finish() {
    local process
    for process in "${running[@]}"; do
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
}
trap finish EXIT
die() {
    echo "not ok - haproxy: $*" >&2
    tail -n 20 "$work/log" "$work/haproxy.log" >&2
    exit 1
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# seconds LIMIT COMMAND...: waits until the command holds.
seconds() {
    local tries=$(($1 * 10))
    shift
    until "$@"; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

cat >"$work/erlmcp.toml" <<TOML
[server]
state_directory = "$work/state"

[transports.http]
listen = "127.0.0.1:0"
proxy_protocol = ["127.0.0.1"]

[tls]

[authentication]
api_keys = [{ key = { env = "MCP_KEY" }, user = "interop", roles = ["admin"] }]
TOML
export MCP_KEY=interop-0123456789abcdef-interop
"$binary" serve --config "$work/erlmcp.toml" >"$work/log" 2>&1 </dev/null &
running+=($!)
port() { grep -oE 'https://127.0.0.1:[0-9]+' "$work/log" | grep -oE '[0-9]+$'; }
seconds 10 port >/dev/null || die "the server listens"

first=$(free_port)
second=$(free_port)
cat >"$work/haproxy.cfg" <<CFG
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen first
    bind 127.0.0.1:$first
    server erlmcp 127.0.0.1:$(port) source 127.0.0.1 send-proxy check check-send-proxy inter 200
listen second
    bind 127.0.0.1:$second
    server erlmcp 127.0.0.1:$(port) source 127.0.0.1 send-proxy-v2 check check-send-proxy inter 200
CFG
haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 </dev/null &
running+=($!)

# ask PORT ADDRESS: lists the tools by way of that port, from that address of this host.
ask() {
    curl -sS --fail-with-body --max-time 10 --cacert "$work/state/ca.pem" --interface "$2" \
        -H "Authorization: Bearer $MCP_KEY" -H 'Content-Type: application/json' \
        -H 'Accept: application/json, text/event-stream' \
        -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' "https://localhost:$1/mcp" 2>"$work/curl"
}
is_answered() { ask "$@" | grep -q '"tools"'; }
is_recorded() { grep -q "\"address\":\"$1\".*\"method\":\"tools/list\"" "$work/state/audit.log"; }

seconds 10 is_answered "$first" 127.0.0.21 || die "version 1 is answered"
seconds 10 is_recorded 127.0.0.21 || die "version 1 says whom it is from"
echo "ok - haproxy: version 1 says whom a TLS connection is from"
seconds 10 is_answered "$second" 127.0.0.22 || die "version 2 is answered"
seconds 10 is_recorded 127.0.0.22 || die "version 2 says whom it is from"
echo "ok - haproxy: version 2 says whom a TLS connection is from"
! grep -q '"address":"127.0.0.1"' "$work/state/audit.log" || die "a record is of the proxy"
# Longer than a few of its checks.
sleep 1
! grep -qE 'DOWN|no server available' "$work/haproxy.log" || die "its checks find a server that lives"
kill -TERM "${running[0]}"
seconds 10 grep -q 'stopped; counters' "$work/log" || die "the server ends"
! grep -q 'proxy_protocol_failures' "$work/log" || die "every header was read"
echo "ok - haproxy: its checks find a server that lives"
