// The payment provider, which has the interface of Stripe.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { Pool } from 'undici';
import { config } from './config.js';

const pool = new Pool(config.psp.url, { connections: 32 });

async function ask(path, form, key) {
  const { statusCode, body } = await pool.request({
    path,
    method: 'POST',
    headers: {
      authorization: `Bearer ${config.psp.secretKey}`,
      'content-type': 'application/x-www-form-urlencoded',
      'idempotency-key': key,
    },
    body: new URLSearchParams(form).toString(),
    headersTimeout: 20_000,
  });
  const answer = await body.json();
  if (statusCode >= 300) throw new Error(`the payment provider says ${statusCode}: ${answer.error?.code}`);
  return answer;
}

export const create = (payment, key) =>
  ask(
    '/v1/payment_intents',
    {
      amount: payment.amount_minor,
      currency: payment.currency.toLowerCase(),
      capture_method: 'manual',
      'metadata[payment_id]': payment.id,
      'metadata[order_id]': payment.order_id,
    },
    key,
  );

export const authorize = (payment, key) =>
  ask(`/v1/payment_intents/${payment.reference}/confirm`, { payment_method: payment.method }, key);

export const capture = (payment, key) => ask(`/v1/payment_intents/${payment.reference}/capture`, {}, key);

// Whether a webhook is the provider's: t=SECONDS,v1=HEX over SECONDS.BODY.
export function isSigned(header, body) {
  const parts = Object.fromEntries((header ?? '').split(',').map((part) => part.trim().split('=')));
  if (!parts.t || !parts.v1 || Math.abs(Date.now() / 1000 - Number(parts.t)) > 300) return false;
  const wanted = createHmac('sha256', config.psp.webhookSecret).update(`${parts.t}.`).update(body).digest();
  const sent = Buffer.from(parts.v1, 'hex');
  return sent.length === wanted.length && timingSafeEqual(sent, wanted);
}
