// Stock, in the database of products: what something costs, and reservations.

import { products, statement, transaction } from './database.js';
import { publish } from './outbox.js';

const SOURCE = '/product-service';

const sold = statement(
  `select variants.sku, product_id, products.name || ', ' || variants.name as name,
       (select minor from product.prices where prices.sku = variants.sku and currency = $2) as minor
   from product.variants join product.products on products.id = product_id
   where variants.sku = any ($1) and variants.deleted_at is null
       and products.deleted_at is null and products.status = 'active'`,
);
const begin = statement(
  `insert into product.reservations (id, owner, state, expires_at)
   values ($1, 'order-service', 'active', clock_timestamp() + interval '25 minutes')
   on conflict (id) do nothing returning expires_at`,
);
const take = statement(
  `update product.stock set reserved = reserved + $2
   where sku = $1 and bucket = 0 and on_hand - reserved >= $2 returning on_hand - reserved as available`,
);
const lines = statement(
  `with line as (
       insert into product.reservation_lines (reservation_id, sku, bucket, quantity)
       select $1, sku, 0, quantity from unnest($2::text[], $3::bigint[]) as taken (sku, quantity)
       returning sku, bucket, quantity
   )
   insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor)
   select sku, bucket, 'reserved', 0, quantity, $1, 'order-service' from line`,
);
const hold = statement('select state, expires_at from product.reservations where id = $1 for update');
const commitStock = statement(
  `update product.stock set on_hand = on_hand - quantity, reserved = reserved - quantity
   from (select line.sku, line.bucket, line.quantity from product.reservation_lines line
       join product.stock on stock.sku = line.sku and stock.bucket = line.bucket
       where reservation_id = $1 order by line.sku, line.bucket for update of stock) line
   where stock.sku = line.sku and stock.bucket = line.bucket`,
);
const move = statement(
  `insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reservation_id, actor)
   select sku, bucket, 'committed', -quantity, -quantity, reservation_id, 'order-service'
   from product.reservation_lines where reservation_id = $1 order by sku, bucket`,
);
const settle = statement(`update product.reservations set state = 'committed', settled_at = now() where id = $1`);

// What is asked for, with its prices. Nothing: some of it is not sold, or not for this currency.
export async function quote(wanted, currency) {
  const { rows } = await products.query(sold(wanted.map((line) => line.sku), currency));
  const bySku = new Map(rows.map((row) => [row.sku, row]));
  const quoted = [];
  for (const { sku, quantity } of wanted) {
    const row = bySku.get(sku);
    if (!row || row.minor === null) return undefined;
    quoted.push({
      sku,
      product_id: row.product_id,
      name: row.name,
      quantity,
      unit_minor: row.minor,
      total_minor: row.minor * quantity,
    });
  }
  return quoted;
}

// Keeps stock for an order: all of it, or nothing. The same once more has no second effect.
export function reserve(order, wanted) {
  // Locks are taken in one order.
  const sorted = wanted.toSorted((one, other) => (one.sku < other.sku ? -1 : 1));
  return transaction(products, async (client) => {
    const made = (await client.query(begin(order.id))).rows[0];
    if (!made) return;
    for (const { sku, quantity } of sorted) {
      const { rows } = await client.query(take(sku, quantity));
      if (rows.length === 0) throw new Error(`there is too little of ${sku}`);
    }
    await client.query(lines(order.id, sorted.map((line) => line.sku), sorted.map((line) => line.quantity)));
    await tell(client, 'created', order, sorted, made.expires_at);
  });
}

// Takes what is kept.
export function commit(order, wanted) {
  return transaction(products, async (client) => {
    const known = (await client.query(hold(order.id))).rows[0];
    if (known?.state === 'committed') return;
    if (known?.state !== 'active' || known.expires_at <= new Date()) throw new Error('the reservation has expired');
    await client.query(commitStock(order.id));
    await client.query(move(order.id));
    await client.query(settle(order.id));
    await tell(client, 'committed', order, wanted, known.expires_at);
  });
}

function tell(client, what, order, wanted, expiresAt) {
  const data = {
    reservation_id: order.id,
    expires_at: expiresAt,
    lines: wanted.map(({ sku, quantity }) => ({ sku, quantity })),
  };
  return publish(client, SOURCE, `shop.stock.reservation.${what}.v1`, order.id, order.correlation_id, data);
}
