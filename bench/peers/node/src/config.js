// What this program is told, by its environment.

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is needed`);
  return value;
}

export const config = {
  port: Number(required('PORT')),
  databases: {
    users: required('USERS_DATABASE_URL'),
    products: required('PRODUCTS_DATABASE_URL'),
    orders: required('ORDERS_DATABASE_URL'),
  },
  connections: Number(process.env.DATABASE_CONNECTIONS ?? 16),
  psp: {
    url: required('PSP_URL'),
    secretKey: required('PSP_SECRET_KEY'),
    webhookSecret: required('PSP_WEBHOOK_SECRET'),
  },
  cursorKey: required('CURSOR_KEY'),
  issuer: 'https://shop.example',
  audience: 'shop',
  accessSeconds: 600,
};
