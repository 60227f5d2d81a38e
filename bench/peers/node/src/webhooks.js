// Webhooks of the payment provider. What one is about is taken note of once; the saga goes on by itself.

import { orders, statement, transaction } from './database.js';
import { Problem } from './problem.js';
import * as psp from './psp.js';

const note = statement(
  `insert into orders.psp_webhooks (provider, event_id, kind) values ('paysim', $1, $2) on conflict do nothing`,
);
const wake = statement(
  `update orders.sagas set next_at = now(), woken = true
   from orders.payments where payments.order_id = sagas.order_id and step <> 'done'
       and payments.provider = 'paysim' and payments.reference = $1`,
);

export async function webhookRoutes(app) {
  // The signature is over the bytes.
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/v1/webhooks/psp/paysim', async (request, reply) => {
    if (!psp.isSigned(request.headers['stripe-signature'], request.body)) {
      throw new Problem(400, 'webhook_signature', 'the signature is not of this webhook');
    }
    const event = JSON.parse(request.body);
    await transaction(orders, async (client) => {
      const { rowCount } = await client.query(note(event.id, event.type));
      if (rowCount === 1) await client.query(wake(event.data.object.id));
    });
    return reply.code(204).send();
  });
}
