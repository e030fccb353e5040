#!/usr/bin/env bash
# Checks a running erlmcp with the MCP Inspector's command line (npm package
# `@modelcontextprotocol/inspector`), in its three eras.
# Environment: MCP_URL and MCP_KEY (and NODE_EXTRA_CA_CERTS), or MCP_STDIO_COMMAND; INSPECTOR is the
# program (default mcp-inspector).
set -euo pipefail

# The Inspector keeps catalogues and tokens in its home: a fresh one, so that none is found there.
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export HOME=$home

# inspect ERA ARGUMENTS...: one call by a fresh Inspector; prints its answer as JSON.
inspect() {
    local era=$1
    shift
    local options=(--protocol-era "$era" --format json --quiet --stored-auth-only "$@")
    local command=(timeout 60 "${INSPECTOR:-mcp-inspector}" --cli)
    if [ -n "${MCP_STDIO_COMMAND:-}" ]; then
        "${command[@]}" "${options[@]}" -- /bin/sh -c "exec $MCP_STDIO_COMMAND"
    else
        # The address goes first: an option that takes several values would swallow it.
        "${command[@]}" "$MCP_URL" --transport http \
            --header "Authorization: Bearer ${key-$MCP_KEY}" "${options[@]}"
    fi
}

fail() {
    printf 'not ok - %s: %s\n' "$label" "$*" | tr -d '\r' | head -c 600 >&2
    echo >&2
    exit 1
}

# expect WHAT STATUS TEXT ARGUMENTS...: the call must end with STATUS and print TEXT.
expect() {
    local what=$1 status=$2 text=$3 got=0 printed
    shift 3
    printed=$(inspect "$era" "$@" 2>&1) || got=$?
    [ "$got" = "$status" ] || fail "$what: exit status $got instead of $status: $printed"
    [[ $printed == *"$text"* ]] || fail "$what: no $text in $printed"
    printf 'ok - %s: %s\n' "$label" "$what"
}

call() { printf -- '--method\ntools/call\n--tool-name\n%s\n--tool-args-json\n%s\n' "$1" "$2"; }

transport=https
[ -n "${MCP_STDIO_COMMAND:-}" ] && transport=stdio
declare -A version=([legacy]=2025-11-25 [auto]=2026-07-28 [modern]=2026-07-28)
for era in legacy auto modern; do
    label="inspector $transport $era"
    expect "connected with ${version[$era]}" 0 "\"protocolVersion\":\"${version[$era]}\"" \
        --method initialize
    expect "tools are listed" 0 '"name":"slow_count"' --method tools/list
    mapfile -t arguments < <(call echo '{"text":"grüße, мир"}')
    expect "a tool is called" 0 '"text":"grüße, мир"' "${arguments[@]}"
    mapfile -t arguments < <(call add '{"a":2,"b":3}')
    expect "a tool answers with structured content" 0 '"structuredContent":{"sum":5}' \
        "${arguments[@]}"
    mapfile -t arguments < <(call slow_count '{"count":3}')
    expect "a tool that reports progress is called" 0 '"type":"text"' "${arguments[@]}"
    mapfile -t arguments < <(call no_such_tool '{}')
    expect "an unknown tool is an error" 5 'no_such_tool' "${arguments[@]}"
    expect "resources are listed" 0 '"uri":"docs://manual/hello.txt"' --method resources/list
    expect "templates are listed" 0 '"uriTemplate":"' --method resources/templates/list
    expect "a resource is read" 0 '"text":"hello from a file\n"' \
        --method resources/read --uri docs://manual/hello.txt
    expect "prompts are listed" 0 '"name":"greeting"' --method prompts/list
    expect "a prompt is got" 0 'Ada' \
        --method prompts/get --prompt-name greeting --prompt-args name=Ada
    if [ "$transport" = https ]; then
        key=not-the-key-of-this-server
        expect "a wrong key is refused" 3 'auth_required' --method tools/list
        unset key
    fi
done
