// The shop's endpoints in one program.

import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import { authRoutes } from './auth.js';
import { config } from './config.js';
import { orders, products, users } from './database.js';
import { orderRoutes } from './orders.js';
import { answerProblem } from './problem.js';
import { productRoutes } from './products.js';
import * as saga from './saga.js';
import { webhookRoutes } from './webhooks.js';

const app = Fastify({
  logger: { level: 'info' },
  // One line for a request, as the others write.
  disableRequestLogging: true,
  requestIdHeader: 'x-correlation-id',
  genReqId: () => randomUUID(),
});

app.addHook('onResponse', async (request, reply) => {
  const { method, routeOptions } = request;
  const line = { method, route: routeOptions.url, status: reply.statusCode, duration_ms: reply.elapsedTime };
  request.log.info(line, 'answered');
});
app.setErrorHandler(answerProblem);
app.register(productRoutes);
app.register(authRoutes);
app.register(orderRoutes);
app.register(webhookRoutes);

saga.poll(app.log);
await app.listen({ host: '127.0.0.1', port: config.port });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await app.close();
    await Promise.all([users, products, orders].map((pool) => pool.end()));
  });
}
