// Events, written in the transaction of what they tell of. The key is locked, so that their numbers are in the order of commits.

import { v7 as uuidv7 } from 'uuid';
import { statement } from './database.js';

const append = statement(
  `with locked as materialized (select pg_advisory_xact_lock(hashtextextended('flotilla-outbox/' || $2, 0)))
   insert into messaging.outbox (id, key, partition, kind, event) select $1, $2, $3, $4, $5 from locked`,
);

function partition(key) {
  let hash = 0;
  for (let at = 0; at < key.length; at++) hash = (hash * 31 + key.charCodeAt(at)) >>> 0;
  return hash % 16;
}

export async function publish(client, source, kind, key, correlationId, data, version) {
  const id = uuidv7();
  const event = {
    specversion: '1.0',
    id,
    source,
    type: kind,
    subject: key,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    dataschema: `https://flotilla.dev/events/${kind}.json`,
    correlationid: correlationId,
    partitionkey: key,
    aggregateversion: version,
    data,
  };
  await client.query(append(id, key, partition(key), kind, JSON.stringify(event)));
}
