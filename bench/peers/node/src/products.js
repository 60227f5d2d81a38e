// The catalogue: a product, lists and search.

import { products, statement } from './database.js';
import { Problem } from './problem.js';
import * as cursor from './cursor.js';

const uuid = { type: 'string', format: 'uuid' };
const price = { type: 'object', properties: { currency: { type: 'string' }, minor: { type: 'integer' } } };
const image = { type: 'object', properties: { url: { type: 'string' }, alt: { type: 'string' } } };
const strings = { type: 'object', additionalProperties: { type: 'string' } };

const productSchema = {
  type: 'object',
  properties: {
    id: uuid,
    version: { type: 'integer' },
    created_at: { type: 'string', format: 'date-time' },
    updated_at: { type: 'string', format: 'date-time' },
    slug: { type: 'string' },
    name: { type: 'string' },
    description: { type: 'string' },
    status: { type: 'string' },
    attributes: strings,
    images: { type: 'array', items: image },
    categories: { type: 'array', items: uuid },
    variants: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          sku: { type: 'string' },
          name: { type: 'string' },
          attributes: strings,
          prices: { type: 'array', items: price },
          low_at: { type: 'integer' },
        },
      },
    },
  },
};

const pageSchema = {
  type: 'object',
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          id: uuid,
          slug: { type: 'string' },
          name: { type: 'string' },
          image: { ...image, nullable: true },
          price: { ...price, nullable: true },
          in_stock: { type: 'boolean' },
        },
      },
    },
    next_cursor: { type: 'string', nullable: true },
  },
};

const querySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    q: { type: 'string', minLength: 1, maxLength: 200 },
    category: uuid,
    currency: { type: 'string', pattern: '^[A-Z]{3}$', default: 'EUR' },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
    cursor: { type: 'string', maxLength: 1024 },
  },
};

const byId = statement(
  `select id, slug, name, description, status, version, attributes, images, created_at, updated_at,
       array(select category_id from product.product_categories where product_id = products.id order by 1) as categories,
       (select coalesce(jsonb_agg(jsonb_build_object(
               'sku', sku, 'name', name, 'attributes', attributes, 'low_at', low_at,
               'prices', (select coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'minor', minor)
                       order by currency), '[]')
                   from product.prices where prices.sku = variants.sku)
           ) order by position, sku), '[]')
        from product.variants where product_id = products.id and deleted_at is null) as variants
   from product.products where id = $1 and deleted_at is null and status = 'active'`,
);

// What a list shows of products, of which `where` leaves some. $1: the currency, $2: one more than the limit.
function listing({ number, words, where, order }) {
  return statement(
    `select id, slug, name, image,
         (select min(minor) from product.prices join product.variants using (sku)
             where product_id = products.id and deleted_at is null and currency = $1) as price,
         coalesce((select true from product.stock join product.variants using (sku)
             where product_id = products.id and deleted_at is null and on_hand > reserved limit 1), false) as in_stock,
         number
     from (
         select id, slug, name, images -> 0 as image, ${number} as number from product.products
         ${words}
         where deleted_at is null and status = 'active' ${where}
     ) products ${order} limit $2`,
  );
}

const inCategory = (parameter) => `and id in (
    with recursive below (id) as (
        select ${parameter}::uuid union
        select category.id from below join product.categories category on category.parent_id = below.id
    ) select product_id from product.product_categories join below on below.id = category_id)`;

const newest = { number: 'null::bigint', words: '', where: '', order: 'order by id desc' };
const relevant = {
  number: `round((ts_rank(search, websearch_to_tsquery('english', words)) + product.word_similarity(words, name)) * 1000000)::bigint`,
  words: 'cross join (select $3::text as words) words',
  where: `and (search @@ websearch_to_tsquery('english', words) or words operator(product.<%) name)`,
  order: 'order by number desc, id desc',
};

// One statement for each shape of a question, so that each is prepared once.
const lists = {
  newest: listing(newest),
  newestAfter: listing({ ...newest, order: 'where id < $3 order by id desc' }),
  category: listing({ ...newest, where: inCategory('$3') }),
  categoryAfter: listing({ ...newest, where: inCategory('$3'), order: 'where id < $4 order by id desc' }),
  words: listing(relevant),
  wordsAfter: listing({ ...relevant, order: 'where (number, id) < ($4, $5) order by number desc, id desc' }),
  wordsCategory: listing({ ...relevant, where: `${relevant.where} ${inCategory('$4')}` }),
  wordsCategoryAfter: listing({
    ...relevant,
    where: `${relevant.where} ${inCategory('$4')}`,
    order: 'where (number, id) < ($5, $6) order by number desc, id desc',
  }),
};

function query({ q, category, currency, limit }, after) {
  const name = (q ? (category ? 'wordsCategory' : 'words') : category ? 'category' : 'newest') + (after ? 'After' : '');
  const values = [currency, limit + 1];
  if (q) values.push(q);
  if (category) values.push(category);
  if (after) values.push(...(q ? [after.number, after.id] : [after.id]));
  return lists[name](...values);
}

// Whether a client has what there is (RFC 9110, section 13.1.2).
function isKnown(header, etag) {
  return header !== undefined && header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

export async function productRoutes(app) {
  app.get(
    '/v1/products/:id',
    { schema: { params: { type: 'object', properties: { id: uuid } }, response: { 200: productSchema } } },
    async (request, reply) => {
      const { rows } = await products.query(byId(request.params.id));
      const product = rows[0];
      if (!product) throw new Problem(404, 'not_found', 'there is no such product');
      const etag = `"v${product.version}"`;
      reply.header('etag', etag);
      if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send();
      return product;
    },
  );

  app.get(
    '/v1/products',
    { schema: { querystring: querySchema, response: { 200: pageSchema } } },
    async (request, reply) => {
      const { q, category, currency, limit } = request.query;
      const scope = JSON.stringify([q, category, currency]);
      const after = request.query.cursor === undefined ? undefined : cursor.open(scope, request.query.cursor);
      const { rows } = await products.query(query(request.query, after));
      const hasMore = rows.length > limit;
      const found = rows.slice(0, limit);
      const last = found.at(-1);
      const next = hasMore ? cursor.seal(scope, { id: last.id, number: last.number }) : null;
      if (next) {
        const parameters = new URLSearchParams(request.query);
        parameters.set('cursor', next);
        reply.header('link', `</v1/products?${parameters}>; rel="next"`);
      }
      return {
        items: found.map((row) => ({
          id: row.id,
          slug: row.slug,
          name: row.name,
          image: row.image,
          price: row.price === null ? null : { currency, minor: row.price },
          in_stock: row.in_stock,
        })),
        next_cursor: next,
      };
    },
  );
}
