// Login, tokens, and who somebody is.

import { createHash, createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { verify } from '@node-rs/argon2';
import { createSigner, createVerifier } from 'fast-jwt';
import { v7 as uuidv7 } from 'uuid';
import { config } from './config.js';
import { statement, transaction, users } from './database.js';
import { Problem } from './problem.js';

const keys = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const sign = createSigner({
  key: keys.privateKey,
  algorithm: 'EdDSA',
  kid: uuidv7(),
  iss: config.issuer,
  aud: config.audience,
  expiresIn: config.accessSeconds * 1000,
});
const check = createVerifier({
  key: keys.publicKey,
  algorithms: ['EdDSA'],
  allowedIss: config.issuer,
  allowedAud: config.audience,
  requiredClaims: ['exp', 'sub', 'sid'],
});

const throttleKey = randomBytes(32);

const account = `select id, email, email_verified_at, email_bounced_at, name, locale, status, version, created_at, updated_at,
        array(select role from users.user_roles where user_id = accounts.id order by role) as roles
    from users.accounts`;
const byEmail = statement(`${account} where email_key = $1`);
const byId = statement(`${account} where id = $1 and status <> 'erased'`);
const passwordOf = statement('select password_hash from users.credentials where user_id = $1');
const blocked = statement(
  `select blocked_until from users.throttles where scope = 'login' and key = $1 and blocked_until > now()`,
);
const secondFactor = statement(
  'select confirmed_at is not null as is_confirmed from users.second_factors where user_id = $1',
);
const failed = statement(
  `insert into users.throttles as known (scope, key, count, since) values ('login', $1, 1, now())
   on conflict (scope, key) do update set count = known.count + 1, since = now(),
       blocked_until = case when known.count >= 4 then now() + interval '30 seconds' end`,
);
const clear = statement(`delete from users.throttles where scope = 'login' and key = $1`);
const beginSession = statement(
  `insert into users.sessions (id, user_id, user_agent, has_second_factor, expires_at)
   values ($1, $2, $3, false, now() + interval '90 days')`,
);
const issue = statement(
  `insert into users.refresh_tokens (hash, session_id, expires_at) values ($1, $2, now() + interval '30 days')`,
);
const audit = statement(
  `insert into users.audit_log (id, actor, subject, action, correlation_id, detail) values ($1, $2, $2, 'logged_in', $3, $4)`,
);
const live = statement(
  `select sessions.user_id,
       array(select role from users.user_roles where user_id = sessions.user_id order by role) as roles
   from users.sessions join users.accounts on accounts.id = sessions.user_id
   where sessions.id = $1 and sessions.ended_at is null and sessions.expires_at > now() and accounts.status = 'active'`,
);

// What a token says. The session is looked up by those who have the database of users.
export function claims(request) {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer' || !token) throw new Problem(401, 'token_missing', 'send a token');
  try {
    return check(token);
  } catch {
    throw new Problem(401, 'token_invalid', 'the token is not good');
  }
}

async function logIn(request) {
  const { email, password } = request.body;
  const key = createHmac('sha256', throttleKey).update(email.toLowerCase()).digest();
  const wrong = () => new Problem(401, 'credentials_wrong', 'there is no account with this address and this password');
  const user = (await users.query(byEmail(email.toLowerCase()))).rows[0];
  if ((await users.query(blocked(key))).rows.length > 0) throw new Problem(429, 'too_many_failures', 'try again later');
  const hash = user && (await users.query(passwordOf(user.id))).rows[0]?.password_hash;
  if (!hash || !(await verify(hash, password))) {
    await users.query(failed(key));
    throw wrong();
  }
  if (user.status !== 'active') throw new Problem(403, 'account_locked', 'this account is locked');
  if (!user.email_verified_at) throw new Problem(403, 'email_not_verified', 'follow the link in the mail');
  const [session, refresh] = [uuidv7(), randomBytes(32).toString('base64url')];
  await transaction(users, async (client) => {
    if ((await client.query(secondFactor(user.id))).rows[0]?.is_confirmed) {
      throw new Problem(501, 'second_factor', 'this peer has no second factor');
    }
    await client.query(clear(key));
    await client.query(beginSession(session, user.id, (request.headers['user-agent'] ?? '').slice(0, 200)));
    await client.query(issue(createHash('sha256').update(refresh).digest(), session));
    await client.query(audit(uuidv7(), user.id, request.id, { session, second_factor: false }));
  });
  return {
    access_token: sign({ sub: user.id, sid: session, roles: user.roles }),
    token_type: 'Bearer',
    expires_in: config.accessSeconds,
    refresh_token: refresh,
    session_id: session,
  };
}

const string = { type: 'string' };

export async function authRoutes(app) {
  const body = {
    type: 'object',
    required: ['email', 'password'],
    additionalProperties: false,
    properties: { email: { type: 'string', maxLength: 254 }, password: { type: 'string', maxLength: 1024 } },
  };
  const tokens = {
    type: 'object',
    properties: {
      access_token: string,
      token_type: string,
      expires_in: { type: 'integer' },
      refresh_token: string,
      session_id: string,
    },
  };
  app.post('/v1/auth/login', { schema: { body, response: { 200: tokens } } }, async (request, reply) => {
    const answer = await logIn(request);
    reply.header('cache-control', 'no-store');
    return answer;
  });

  const user = {
    type: 'object',
    properties: {
      id: string,
      email: string,
      email_verified: { type: 'boolean' },
      email_bounced: { type: 'boolean' },
      name: string,
      locale: string,
      status: string,
      roles: { type: 'array', items: string },
      created_at: { type: 'string', format: 'date-time' },
      updated_at: { type: 'string', format: 'date-time' },
    },
  };
  app.get('/v1/users/me', { schema: { response: { 200: user } } }, async (request, reply) => {
    const { sub, sid } = claims(request);
    const session = (await users.query(live(sid))).rows[0];
    if (session?.user_id !== sub) throw new Problem(401, 'token_invalid', 'its session has ended');
    const account = (await users.query(byId(sub))).rows[0];
    if (!account) throw new Problem(401, 'token_invalid', 'its user is gone');
    reply.header('etag', `"v${account.version}"`);
    return {
      ...account,
      email_verified: account.email_verified_at !== null,
      email_bounced: account.email_bounced_at !== null,
    };
  });
}
