// A real OpenID provider on loopback for the end-to-end tests.
//
// Prints one JSON line when it is ready, then reads one command per line from stdin and answers each with one
// JSON line on stdout: "rotate" puts a new signing key in front of the old ones, "withdraw" drops the old ones,
// "logouts URL" has logout tokens of the client "browser" posted there from now on, "resource URL SCOPE..." knows a
// further API from now on, and lets clients register themselves, "nonces" asks for a nonce in DPoP proofs from now on.
// "mtls PORT CERTIFICATE KEY" opens another port, with TLS by these PEM files, that asks anybody for a certificate.
// Arguments: the port (0: any), and the origin of a single-page app, which is then the client "spa".
// Ends on SIGTERM or when stdin closes. Everything else it has to say goes to stderr.
import { X509Certificate, generateKeyPair, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { Provider, errors, interactionPolicy } from 'oidc-provider';

console.info = console.error;
console.log = console.error;

const RESOURCES = new Set(['https://api.example.test', 'https://other.example.test', 'https://opaque.example.test']);
const RESOURCE_SCOPE = 'read:orders write:orders';
const TOKEN_TTL = 300;
const SPA_ORIGIN = process.argv[3];
// How a login is called that was asked for with acr_values.
const STRONG = 'gold';

let logoutUri;
let requireNonce = false;
const nonceSecret = randomBytes(32);
// Identifiers of further APIs, and the scopes of each.
const further = new Map();

// What every Provider of this process shares, so that a login begun under one ends under the next.
const store = new Map();
const cookieKeys = [randomUUID()];

class SharedAdapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const expiresAt = expiresIn === undefined ? Infinity : Date.now() + expiresIn * 1000;
    store.set(this.key(id), { payload, expiresAt });
  }

  async find(id) {
    const entry = store.get(this.key(id));
    if (entry === undefined) return undefined;
    if (entry.expiresAt > Date.now()) return entry.payload;
    store.delete(this.key(id));
    return undefined;
  }

  findWhere(test) {
    for (const [key, { payload, expiresAt }] of store) {
      if (key.startsWith(`${this.model}:`) && expiresAt > Date.now() && test(payload)) return payload;
    }
    return undefined;
  }

  async findByUid(uid) {
    return this.findWhere((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode) {
    return this.findWhere((payload) => payload.userCode === userCode);
  }

  async consume(id) {
    const entry = store.get(this.key(id));
    if (entry !== undefined) entry.payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    store.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of store) {
      if (payload.grantId === grantId) store.delete(key);
    }
  }
}

async function newKey() {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

// Whoever is asked to step up logs in again, also within a session.
function interactions() {
  const policy = interactionPolicy.base();
  policy.get('login').checks.add(new interactionPolicy.Check('acr', 'a stronger login is needed', ({ oidc }) => {
    const wanted = oidc.params.acr_values?.split(' ') ?? [];
    return wanted.length > 0 && !wanted.includes(oidc.session.acr) && !oidc.result?.login;
  }));
  return policy;
}

function handlerFor(issuer, keys) {
  const provider = new Provider(issuer, {
    adapter: SharedAdapter,
    jwks: { keys },
    cookies: { keys: cookieKeys },
    clients: [
      {
        client_id: 'browser',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1/callback'],
        ...(logoutUri === undefined ? {} : {
          backchannel_logout_uri: logoutUri,
          backchannel_logout_session_required: true,
        }),
      },
      {
        client_id: 'service',
        client_secret: 'a-secret-known-to-every-reader-of-this-file',
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
      },
      {
        client_id: 'bound',
        client_secret: 'a-secret-known-to-every-reader-of-this-file',
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        tls_client_certificate_bound_access_tokens: true,
      },
      ...(SPA_ORIGIN === undefined ? [] : [{
        client_id: 'spa',
        application_type: 'native', // http on loopback
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: [`${SPA_ORIGIN}/`],
      }]),
    ],
    clientBasedCORS: (_ctx, origin, client) => client.clientId === 'spa' && origin === SPA_ORIGIN,
    // An ID token says who logged in and no more: profile claims are for the userinfo endpoint.
    conformIdTokenClaims: true,
    scopes: ['openid', 'email', ...[...further.values()].flatMap((scopes) => scopes.split(' '))],
    claims: { email: ['email', 'email_verified'] },
    responseTypes: ['code'],
    // Logout tokens go to a gateway on loopback, which the provider would not reach by itself.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.test`, email_verified: true }),
    }),
    acrValues: [STRONG],
    interactions: { policy: interactions() },
    // What a strong login was, an API can read (RFC 9470 section 6).
    extraTokenClaims: ({ oidc }) => {
      const code = oidc?.entities.AuthorizationCode;
      return code?.acr === undefined ? undefined : { acr: code.acr, auth_time: code.authTime };
    },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: true },
      dPoP: { enabled: true, nonceSecret, requireNonce: () => requireNonce },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate(ctx) {
          const shown = ctx.socket.getPeerCertificate?.().raw;
          return shown === undefined ? undefined : new X509Certificate(shown);
        },
      },
      registration: { enabled: further.size > 0 },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo(_ctx, resource) {
          if (!RESOURCES.has(resource) && !further.has(resource)) throw new errors.InvalidTarget();
          return {
            scope: further.get(resource) ?? RESOURCE_SCOPE,
            audience: resource,
            accessTokenTTL: TOKEN_TTL,
            accessTokenFormat: resource === 'https://opaque.example.test' ? 'opaque' : 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
    ttl: {
      AccessToken: TOKEN_TTL,
      AuthorizationCode: 60,
      ClientCredentials: TOKEN_TTL,
      Grant: 3600,
      IdToken: TOKEN_TTL,
      Interaction: 600,
      RefreshToken: TOKEN_TTL,
      Session: 3600,
    },
  });
  provider.use(async (ctx, next) => {
    if (ctx.method === 'POST' && ctx.path.startsWith('/interaction/')) {
      const { prompt, params } = await provider.interactionDetails(ctx.req, ctx.res);
      if (prompt.name === 'login' && params.acr_values?.split(' ').includes(STRONG)) {
        const login = { accountId: 'alice', acr: STRONG };
        await provider.interactionFinished(ctx.req, ctx.res, { login }, { mergeWithLastSubmission: false });
        return;
      }
    }
    await next();
  });
  provider.on('server_error', (_ctx, error) => console.error(error));
  provider.on('backchannel.error', (_ctx, error) => console.error(error));
  return provider.callback();
}

let mtls;
let keys = [await newKey()];
let handler;
const server = createServer((req, res) => handler(req, res));
const port = Number(process.argv[2] ?? 0);
await new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(port, '127.0.0.1', resolve);
});
const issuer = `http://127.0.0.1:${server.address().port}`;

function use(next) {
  const swapped = handlerFor(issuer, next);
  keys = next;
  handler = swapped;
  return { kids: keys.map(({ kid }) => kid) };
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const commands = {
  rotate: async () => use([await newKey(), ...keys]),
  withdraw: async () => use(keys.slice(0, 1)),
  logouts: async (uri) => {
    logoutUri = uri;
    return use(keys);
  },
  nonces: async () => {
    requireNonce = true;
    return use(keys);
  },
  mtls: async (port, certificate, key) => {
    const files = { cert: readFileSync(certificate), key: readFileSync(key) };
    mtls = createTlsServer({ ...files, requestCert: true, rejectUnauthorized: false }, (req, res) => handler(req, res));
    await new Promise((resolve, reject) => {
      mtls.once('error', reject);
      mtls.listen(Number(port), '127.0.0.1', resolve);
    });
    return use(keys);
  },
  resource: async (identifier, ...scopes) => {
    further.set(identifier, scopes.join(' '));
    return use(keys);
  },
};

function end() {
  mtls?.close();
  mtls?.closeAllConnections();
  server.close();
  server.closeAllConnections();
  process.exit(0);
}

const ready = use(keys);
process.on('SIGTERM', end);
say({ issuer, control: 'stdin', ...ready });

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = line.trim().split(' ');
  try {
    if (!Object.hasOwn(commands, name)) throw new Error(`unknown command: ${name}`);
    say({ done: name, ...await commands[name](...args) });
  } catch (error) {
    say({ failed: name, error: String(error) });
  }
}
end();
