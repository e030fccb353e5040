// Checks a running erlmcp over WebSocket with the TypeScript SDK of the first generation
// (npm `@modelcontextprotocol/sdk`), as a web page has to do it: with a ticket for each connection.
// Environment: MCP_WS_URL, MCP_KEY and NODE_EXTRA_CA_CERTS.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import process from 'node:process';

import { run } from './checks.mjs';

const WebSocket = globalThis.WebSocket;
const socketUrl = new URL(process.env.MCP_WS_URL);
const ticketUrl = new URL(socketUrl);
ticketUrl.protocol = socketUrl.protocol.replace('ws', 'http');

async function connect({ fetch, requestInit }) {
  const response = await fetch(ticketUrl, { method: 'POST', ...requestInit });
  const { ticket } = response.ok ? await response.json() : { ticket: 'none' };
  // The SDK names only its subprotocol, and has no argument for more.
  globalThis.WebSocket = class extends WebSocket {
    constructor(url, protocol) {
      super(url, [protocol, `erlmcp.ticket.${ticket}`]);
    }
  };
  const client = new Client({ name: 'erlmcp-interop', version: '1' });
  const transport = new WebSocketClientTransport(socketUrl);
  transport.setProtocolVersion = (version) => {
    client.agreedVersion = version;
  };
  await client.connect(transport);
  return client;
}

await run([
  {
    label: 'ts sdk websocket',
    version: '2025-11-25',
    negotiated: (client) => client.agreedVersion,
    callTool: (client, params, options) => client.callTool(params, undefined, options),
    connect,
  },
]);
