// Checks a running erlmcp with the TypeScript client of the second generation
// (npm `@modelcontextprotocol/client`), in its modern, negotiated and legacy modes.
// Environment: MCP_URL and MCP_KEY (and NODE_EXTRA_CA_CERTS), or MCP_STDIO_COMMAND.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import process from 'node:process';

import { run, stdioCommand } from './checks.mjs';

const negotiated = (client) => client.getNegotiatedProtocolVersion();
const callTool = (client, params, options) => client.callTool(params, options);

function connect(mode) {
  return async (httpOptions) => {
    const client = new Client(
      { name: 'erlmcp-interop', version: '1' },
      { versionNegotiation: { mode } },
    );
    const transport = httpOptions
      ? new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), httpOptions)
      : new StdioClientTransport(stdioCommand());
    await client.connect(transport);
    return client;
  };
}

await run(
  [
    ['auto', 'auto', '2026-07-28'],
    ['2026-07-28', { pin: '2026-07-28' }, '2026-07-28'],
    ['legacy', 'legacy', '2025-11-25'],
  ].map(([name, mode, version]) => ({
    label: `ts client TRANSPORT ${name}`,
    version,
    negotiated,
    callTool,
    connect: connect(mode),
  })),
);
