// The way of an order to its payment: five steps, each written down before the next begins, so that whoever dies on the way
// leaves something to go on with.

import { v7 as uuidv7 } from 'uuid';
import { orders, statement, transaction } from './database.js';
import { publish } from './outbox.js';
import * as psp from './psp.js';
import * as stock from './stock.js';

const SOURCE = '/order-service';
const OWNER = uuidv7();
const POLL = 1_000;

const claim = statement(
  `update orders.sagas set lease_owner = $2, lease_until = now() + interval '60 seconds'
   where order_id = $1 and step <> 'done' and (lease_until is null or lease_until < now()) returning step`,
);
const due = statement(
  `select order_id from orders.sagas
   where step <> 'done' and next_at <= now() and (lease_until is null or lease_until < now()) order by next_at limit 32`,
);
const getOrder = statement('select * from orders.orders where id = $1');
const getLines = statement(
  `select sku, product_id, name, quantity, unit_minor, total_minor
   from orders.order_lines where order_id = $1 order by position`,
);
const getPayment = statement('select * from orders.payments where id = $1');
const lock = statement('select version from orders.orders where id = $1 for update');
const write = statement(
  `update orders.orders set status = $2, stock = $3, version = $4, updated_at = now() where id = $1 and version + 1 = $4`,
);
const record = statement(
  `insert into orders.order_events (order_id, version, kind, from_status, to_status, data, actor, correlation_id)
   values ($1, $2, $3, $4, $5, $6, 'saga', $7)`,
);
const attempt = statement(
  `insert into orders.payment_attempts (key, payment_id, operation, generation) values ($1, $2, $3, 0)
   on conflict do nothing`,
);
const writePayment = statement(
  `update orders.payments set reference = $2, status = $3, captured_minor = $4, updated_at = now() where id = $1`,
);
const book = statement(
  `insert into orders.ledger_entries (cause, account, order_id, amount_minor, currency)
   values ($1, 'assets:provider', $2, $3, $4), ($1, 'income:sales', $2, -$3::bigint, $4)`,
);
const next = statement(
  `update orders.sagas set step = $3, compensations = $4, lease_until = now() + interval '60 seconds'
   where order_id = $1 and lease_owner = $2`,
);
const finish = statement(
  `update orders.sagas set step = 'done', lease_owner = null, lease_until = null where order_id = $1 and lease_owner = $2`,
);
const giveBack = statement(
  `update orders.sagas set lease_owner = null, lease_until = null, attempt = attempt + 1, last_error = $3,
       next_at = now() + interval '1 second'
   where order_id = $1 and lease_owner = $2`,
);

let log = console;

// What an event tells of an order.
export function told(order) {
  return {
    order_id: order.id,
    user_id: order.user_id,
    status: order.status,
    reason: order.reason,
    currency: order.currency,
    total_minor: order.total_minor,
    refunded_minor: order.refunded_minor,
    tracking: order.tracking,
    lines: order.lines,
  };
}

function toldPayment({ order, payment }) {
  return {
    payment_id: payment.id,
    order_id: order.id,
    user_id: order.user_id,
    provider: payment.provider,
    status: payment.status,
    currency: payment.currency,
    amount_minor: payment.amount_minor,
    captured_minor: payment.captured_minor,
    refunded_minor: 0,
    failure: null,
  };
}

const tell = (client, aggregate, what, order, data) =>
  publish(client, SOURCE, `shop.${aggregate}.${what}.v1`, order.id, order.correlation_id, data, order.version);

// An order is another version of itself.
async function change(client, order, kind, status, data = {}) {
  const before = order.status;
  order.status = status;
  order.version += 1;
  const { rowCount } = await client.query(write(order.id, order.status, order.stock, order.version));
  if (rowCount !== 1) throw new Error('somebody else has changed the order');
  await client.query(
    record(order.id, order.version, kind, before, status, JSON.stringify(data), order.correlation_id),
  );
}

async function changePayment(client, { order, payment }) {
  await client.query(writePayment(payment.id, payment.reference, payment.status, payment.captured_minor));
  await change(client, order, 'payment', order.status, { payment_id: payment.id, payment_status: payment.status });
}

// The key of a request is there before the request is made.
async function keyed(payment, operation, ask) {
  const key = `${operation}:${payment.id}`;
  await orders.query(attempt(key, payment.id, operation));
  return ask(payment, key);
}

const steps = {
  reserve: {
    next: 'create_intent',
    undo: ['release', 'void'],
    ask: ({ order }) => stock.reserve(order, order.lines),
    async write(client, { order }) {
      order.stock = 'reserved';
      await change(client, order, 'reserved', 'reserved');
      await tell(client, 'order', 'reserved', order, told(order));
    },
  },
  create_intent: {
    next: 'authorize',
    undo: ['release', 'void'],
    ask: ({ payment }) => keyed(payment, 'int', psp.create),
    async write(client, { payment }, intent) {
      payment.reference = intent.id;
      await client.query(writePayment(payment.id, payment.reference, payment.status, payment.captured_minor));
    },
  },
  authorize: {
    next: 'commit',
    undo: ['release', 'void'],
    ask: ({ payment }) => keyed(payment, 'auth', psp.authorize),
    async write(client, way, intent) {
      if (intent.status !== 'requires_capture') throw new Error(`the payment is ${intent.status}`);
      way.payment.status = 'authorized';
      await changePayment(client, way);
      await tell(client, 'payment', 'authorized', way.order, toldPayment(way));
      await change(client, way.order, 'authorized', 'authorized');
    },
  },
  commit: {
    next: 'capture',
    undo: ['release', 'void'],
    ask: ({ order }) => stock.commit(order, order.lines),
    async write(client, { order }) {
      order.stock = 'committed';
      await change(client, order, 'stock_committed', order.status);
    },
  },
  capture: {
    next: 'done',
    ask: ({ payment }) => keyed(payment, 'cap', psp.capture),
    async write(client, way, intent) {
      const { order, payment } = way;
      payment.status = 'captured';
      payment.captured_minor = intent.amount_received;
      await changePayment(client, way);
      await client.query(book(`capture:${payment.id}`, order.id, payment.captured_minor, payment.currency));
      await tell(client, 'payment', 'captured', order, toldPayment(way));
      await change(client, order, 'paid', 'paid');
      await tell(client, 'order', 'paid', order, told(order));
    },
  },
};

async function run(id) {
  let name = (await orders.query(claim(id, OWNER))).rows[0]?.step;
  if (name === undefined) return;
  try {
    const order = (await orders.query(getOrder(id))).rows[0];
    order.lines = (await orders.query(getLines(id))).rows;
    const payment = (await orders.query(getPayment(order.payment_id))).rows[0];
    while (name !== 'done') {
      const step = steps[name];
      const way = { order: { ...order }, payment: { ...payment } };
      const answer = await step.ask(way);
      await transaction(orders, async (client) => {
        await client.query(lock(id));
        await step.write(client, way, answer);
        const written = await client.query(
          step.next === 'done' ? finish(id, OWNER) : next(id, OWNER, step.next, step.undo),
        );
        if (written.rowCount !== 1) throw new Error('somebody else has the saga');
      });
      Object.assign(order, way.order);
      Object.assign(payment, way.payment);
      name = step.next;
    }
  } catch (error) {
    log.warn({ order: id, step: name, error: error.message }, 'a step is to be tried again');
    await orders.query(giveBack(id, OWNER, error.message));
  }
}

// Begins what was just placed.
export function begin(id) {
  run(id).catch((error) => log.error(error, 'a saga cannot be written'));
}

// Goes on with what others left.
export function poll(logger) {
  log = logger;
  const look = async () => {
    try {
      const { rows } = await orders.query(due());
      await Promise.all(rows.map((row) => run(row.order_id)));
    } catch (error) {
      log.warn(error, 'sagas cannot be taken now');
    }
    setTimeout(look, POLL).unref();
  };
  setTimeout(look, POLL).unref();
}
