// Loaded before the conformance suite, which has no option for a credential: adds the API key of
// MCP_KEY to each request of the three HTTP clients that it uses. It never replaces one.

import http from "node:http";
import https from "node:https";
import { syncBuiltinESMExports } from "node:module";

const credential = `Bearer ${process.env.MCP_KEY}`;

const fetchPlain = globalThis.fetch;
globalThis.fetch = (input, options = {}) => {
  const given = options.headers ?? (input instanceof Request ? input.headers : undefined);
  const headers = new Headers(given);
  if (!headers.has("authorization")) headers.set("authorization", credential);
  return fetchPlain(input, { ...options, headers });
};

const isOptions = (argument) =>
  argument !== null && typeof argument === "object" && !(argument instanceof URL);
for (const client of [http, https]) {
  const requestPlain = client.request;
  client.request = (...all) => {
    const at = all.findIndex(isOptions);
    if (at >= 0) {
      all[at] = { ...all[at], headers: { authorization: credential, ...all[at].headers } };
    }
    return requestPlain.apply(client, all);
  };
}
syncBuiltinESMExports();

// The dispatcher that installed copies of undici share exists once fetch has been used.
const shared = Symbol.for("undici.globalDispatcher.1");
await fetchPlain("data:,x");
const dispatcher = globalThis[shared];

const names = (headers) => headers.filter((_, at) => at % 2 === 0).map((name) => String(name));

const withCredential = (headers) => {
  if (Array.isArray(headers)) {
    const has = names(headers).some((name) => name.toLowerCase() === "authorization");
    return has ? headers : [...headers, "authorization", credential];
  }
  const pairs = headers?.[Symbol.iterator] ? [...headers] : Object.entries(headers ?? {});
  return { authorization: credential, ...Object.fromEntries(pairs) };
};

globalThis[shared] = {
  __proto__: dispatcher,
  dispatch: (options, handler) =>
    dispatcher.dispatch({ ...options, headers: withCredential(options.headers) }, handler),
};
