// Pools, one for each database, and transactions.

import pg from 'pg';
import { config } from './config.js';

// bigint: all numbers here are far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

function pool(connectionString) {
  return new pg.Pool({ connectionString, max: config.connections, application_name: 'shop-peer-node' });
}

export const users = pool(config.databases.users);
export const products = pool(config.databases.products);
export const orders = pool(config.databases.orders);

// Named, so that each connection prepares it once.
let names = 0;
export function statement(text) {
  const name = `s${names++}`;
  return (...values) => ({ name, text, values });
}

export async function transaction(pool, work) {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}
