// Two authorization servers that others have written, on 127.0.0.1: npm `oidc-provider` and npm
// `oauth2-mock-server`. It prints where they are as one line of JSON, then a line for each token
// that was asked for, and takes `rotate` on standard input: the first one has new keys from then on.
//
// The resource that a token is asked for says what it is: one that ends in /opaque is told by
// introspection only, /rs256 and /eddsa are signed so, all others with ES256.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import * as jose from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';
import Provider from 'oidc-provider';

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const SCOPES = 'mcp:read mcp:call';

async function keys(generation) {
  const made = [];
  for (const alg of ['ES256', 'RS256', 'EdDSA']) {
    const options = { extractable: true, ...(alg === 'EdDSA' ? { crv: 'Ed25519' } : {}) };
    const { privateKey } = await jose.generateKeyPair(alg, options);
    const jwk = await jose.exportJWK(privateKey);
    made.push({ ...jwk, alg, use: 'sig', kid: `${alg}-${generation}` });
  }
  return made;
}

const algorithm = (resource) => {
  if (resource.endsWith('/rs256')) return 'RS256';
  return resource.endsWith('/eddsa') ? 'EdDSA' : 'ES256';
};

async function provider(issuer, generation) {
  const client = (client_id) => ({
    client_id,
    client_secret: `${client_id}-secret`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  });
  return new Provider(issuer, {
    jwks: { keys: await keys(generation) },
    clients: [client('agent'), client('erlmcp')],
    scopes: SCOPES.split(' '),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: async (_context, asking) => asking.clientId === 'erlmcp',
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: async (_context, resource) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
          jwt: { sign: { alg: algorithm(resource) } },
        }),
      },
    },
    // A token of a client by itself has no subject of its own everywhere.
    extraTokenClaims: async () => ({ department: 'it' }),
  });
}

const server = createServer((request, response) => handle(request, response));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
let generation = 1;
let handle = (await provider(issuer, generation)).callback();

const mock = new OAuth2Server();
await mock.issuer.keys.generate('RS256');
await mock.start(0, '127.0.0.1');
mock.issuer.url = `http://127.0.0.1:${mock.address().port}`;
mock.service.on('beforeTokenSigning', (token, request) => {
  const { resource, scope, client_id } = request.body;
  say({ token: { resource, scope } });
  Object.assign(token.payload, { aud: resource, scope, sub: client_id ?? 'agent' });
});

say({ oidc: issuer, mock: mock.issuer.url });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'rotate') {
    generation += 1;
    handle = (await provider(issuer, generation)).callback();
    say({ generation });
  }
}
process.exit(0);
