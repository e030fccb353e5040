// Checks a running erlmcp with the TypeScript SDK of the first generation
// (npm `@modelcontextprotocol/sdk`), which most clients in the field still carry.
// Environment: MCP_URL and MCP_KEY (and NODE_EXTRA_CA_CERTS), or MCP_STDIO_COMMAND.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import process from 'node:process';

import { run, stdioCommand } from './checks.mjs';

async function connect(httpOptions) {
  const client = new Client({ name: 'erlmcp-interop', version: '1' });
  const transport = httpOptions
    ? new StreamableHTTPClientTransport(new URL(process.env.MCP_URL), httpOptions)
    : new StdioClientTransport(stdioCommand());
  // This SDK keeps the agreed revision to itself and tells only the transport.
  transport.setProtocolVersion = ((inner) => (version) => {
    client.agreedVersion = version;
    inner?.call(transport, version);
  })(transport.setProtocolVersion);
  await client.connect(transport);
  return client;
}

await run([
  {
    label: 'ts sdk TRANSPORT',
    version: '2025-11-25',
    negotiated: (client) => client.agreedVersion,
    callTool: (client, params, options) => client.callTool(params, undefined, options),
    connect,
  },
]);
