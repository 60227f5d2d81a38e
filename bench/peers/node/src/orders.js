// Placing an order. All of it is written in one transaction with the answer for its key.

import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { claims } from './auth.js';
import { orders, statement, transaction } from './database.js';
import { publish } from './outbox.js';
import { Problem } from './problem.js';
import * as saga from './saga.js';
import * as stock from './stock.js';

const remember = statement(
  `insert into kit.idempotency_keys (principal, key, method, path, fingerprint)
   values ($1, $2, 'POST', '/v1/orders', $3) on conflict (principal, key) do nothing`,
);
const remembered = statement(
  'select fingerprint, status, headers, body from kit.idempotency_keys where principal = $1 and key = $2',
);
const store = statement(
  'update kit.idempotency_keys set status = $3, headers = $4, body = $5 where principal = $1 and key = $2',
);
const insertOrder = statement(
  `insert into orders.orders (id, user_id, currency, total_minor, status, payment_id, ship_to, correlation_id)
   values ($1, $2, $3, $4, 'pending', $5, $6, $7) returning created_at, updated_at`,
);
const insertLines = statement(
  `insert into orders.order_lines (order_id, position, sku, product_id, name, quantity, unit_minor, total_minor)
   select $1, position - 1, sku, product_id, name, quantity, unit_minor, total_minor
   from unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::bigint[])
       with ordinality as line (sku, product_id, name, quantity, unit_minor, total_minor, position)`,
);
const insertEvent = statement(
  `insert into orders.order_events (order_id, version, kind, to_status, data, actor, correlation_id)
   values ($1, 1, 'created', 'pending', '{}', 'customer', $2)`,
);
const insertPayment = statement(
  `insert into orders.payments (id, order_id, provider, method, amount_minor, currency, status)
   values ($1, $2, 'paysim', $3, $4, $5, 'created')`,
);
const insertSaga = statement(
  `insert into orders.sagas (order_id, step, compensations, deadline_at)
   values ($1, 'reserve', '{release}', now() + interval '15 minutes')`,
);

async function place(request) {
  const { sub: user } = claims(request);
  const key = request.headers['idempotency-key'];
  const fingerprint = createHash('sha256').update(JSON.stringify(request.body)).digest();
  let placed;
  const answer = await transaction(orders, async (client) => {
    const { rowCount } = await client.query(remember(user, key, fingerprint));
    if (rowCount === 0) return repeat((await client.query(remembered(user, key))).rows[0], fingerprint);
    const { currency, lines: wanted, payment_method: method, ship_to: shipTo } = request.body;
    const lines = await stock.quote(wanted, currency);
    if (!lines) throw new Problem(422, 'not_sold', 'some of it is not sold');
    const total = lines.reduce((sum, line) => sum + line.total_minor, 0);
    const [id, payment] = [uuidv7(), uuidv7()];
    const made = await client.query(
      insertOrder(id, user, currency, total, payment, shipTo ? JSON.stringify(shipTo) : null, request.id),
    );
    const column = (name) => lines.map((line) => line[name]);
    await client.query(
      insertLines(
        id,
        ...['sku', 'product_id', 'name', 'quantity', 'unit_minor', 'total_minor'].map((name) => column(name)),
      ),
    );
    placed = {
      id,
      user_id: user,
      status: 'pending',
      reason: null,
      stock: 'none',
      payment_id: payment,
      payment_status: 'created',
      currency,
      total_minor: total,
      refunded_minor: 0,
      cancel_requested: false,
      tracking: null,
      ship_to: shipTo ?? null,
      lines,
      version: 1,
      ...made.rows[0],
    };
    await client.query(insertEvent(id, request.id));
    await publish(client, '/order-service', 'shop.order.created.v1', id, request.id, saga.told(placed), 1);
    await client.query(insertPayment(payment, id, method, total, currency));
    await client.query(insertSaga(id));
    const headers = { 'content-type': 'application/json', location: `/v1/orders/${id}`, etag: '"v1"' };
    const body = JSON.stringify(placed);
    await client.query(store(user, key, 202, JSON.stringify(Object.entries(headers)), Buffer.from(body)));
    return { status: 202, headers, body };
  });
  if (placed) saga.begin(placed.id);
  return answer;
}

function repeat(known, fingerprint) {
  if (!known || known.status === null) throw new Problem(409, 'idempotency_key_in_flight', 'repeat it in a moment');
  if (!known.fingerprint.equals(fingerprint)) {
    throw new Problem(422, 'idempotency_key_reused', 'take a new key for a new request');
  }
  return { status: known.status, headers: Object.fromEntries(known.headers), body: known.body };
}

export async function orderRoutes(app) {
  const sku = { type: 'string', pattern: '^[A-Z0-9][A-Z0-9._-]*$', maxLength: 64 };
  const body = {
    type: 'object',
    required: ['currency', 'lines', 'payment_method'],
    additionalProperties: false,
    properties: {
      currency: { type: 'string', pattern: '^[A-Z]{3}$' },
      lines: {
        type: 'array',
        minItems: 1,
        maxItems: 100,
        items: {
          type: 'object',
          required: ['sku', 'quantity'],
          additionalProperties: false,
          properties: { sku, quantity: { type: 'integer', minimum: 1, maximum: 999 } },
        },
      },
      payment_method: { type: 'string', minLength: 1, maxLength: 128 },
      ship_to: { type: 'object' },
    },
  };
  const headers = {
    type: 'object',
    required: ['idempotency-key'],
    properties: { 'idempotency-key': { type: 'string', minLength: 1, maxLength: 255 } },
  };
  app.post('/v1/orders', { schema: { body, headers } }, async (request, reply) => {
    const answer = await place(request);
    return reply.code(answer.status).headers(answer.headers).send(answer.body);
  });
}
