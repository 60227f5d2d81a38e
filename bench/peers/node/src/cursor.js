// Cursors of pages: signed, so that nobody makes one.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { config } from './config.js';
import { Problem } from './problem.js';

function mac(scope, position) {
  return createHmac('sha256', config.cursorKey).update(scope).update('\0').update(position).digest().subarray(0, 16);
}

export function seal(scope, position) {
  const bytes = Buffer.from(JSON.stringify(position));
  return Buffer.concat([mac(scope, bytes), bytes]).toString('base64url');
}

export function open(scope, cursor) {
  const bytes = Buffer.from(cursor, 'base64url');
  const [tag, position] = [bytes.subarray(0, 16), bytes.subarray(16)];
  if (tag.length !== 16 || !timingSafeEqual(tag, mac(scope, position))) {
    throw new Problem(400, 'invalid_cursor', 'the cursor is none of this list; begin with the first page');
  }
  return JSON.parse(position);
}
