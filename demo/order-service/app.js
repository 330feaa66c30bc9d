// Takes orders. For each one it asks user-service who is buying, asks product-service for every
// product at once, and writes the order to PostgreSQL.
//
// No tracing code here: the spans come from
// `node --require @opentelemetry/auto-instrumentations-node/register app.js`.
'use strict';

const express = require('express');
const { Pool } = require('pg');

const userService = process.env.USER_SERVICE_URL;
const productService = process.env.PRODUCT_SERVICE_URL;
const callTimeoutMs = 5000;
// Versions of this service that answer as they should and yet do something else inside, as a bad deploy does:
// `remembered-prices` asks product-service no more, `prices-first` asks it before it knows who is buying.
const variant = process.env.SHOP_VARIANT ?? '';
const rememberedPrices = { 1: 390, 2: 80, 3: 2400, 4: 650, 5: 220, 6: 3900, 7: 5500 };

// Said here, though pg would read the same variables: the spans of its pool name the database only
// when the pool was told.
const database = new Pool({
  host: process.env.PGHOST,
  user: process.env.PGUSER,
  database: process.env.PGDATABASE,
  max: 4,
});
database.on('error', (error) => console.error(`database connection lost: ${error.message}`));

// Fetches JSON from another service. An answer other than 2xx becomes an error with its status.
async function fetchJson(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(callTimeoutMs) });
  const body = await response.json();
  if (!response.ok) {
    throw Object.assign(new Error(body.error ?? `${url} answered ${response.status}`), {
      status: response.status,
    });
  }
  return body;
}

// What our caller gets when a service behind us failed: its 404 stays one, the rest is our 502.
function statusFor(error) {
  return error.status === 404 ? 404 : 502;
}

const app = express();
app.use(express.json());

app.get('/healthz', (request, response) => {
  response.json({ status: 'ok' });
});

app.post('/api/v1/orders', async (request, response) => {
  const { user_id: userId, product_ids: productIds } = request.body ?? {};
  if (!Number.isInteger(userId) || !Array.isArray(productIds) || productIds.length === 0) {
    response.status(400).json({ error: 'an order needs a user_id and product_ids' });
    return;
  }
  const buyer = () => fetchJson(`${userService}/api/v1/users/${userId}`);
  const product = (id) =>
    variant === 'remembered-prices'
      ? { price_cents: rememberedPrices[id] }
      : fetchJson(`${productService}/api/v1/products/${encodeURIComponent(id)}`);
  // allSettled, not all: an order fails only when every answer is in.
  const products = () => Promise.allSettled(productIds.map(async (id) => product(id)));
  let user;
  let answers;
  try {
    if (variant === 'prices-first') answers = await products();
    user = await buyer();
  } catch (error) {
    response.status(statusFor(error)).json({ error: error.message });
    return;
  }
  answers ??= await products();
  const failed = answers.find((answer) => answer.status === 'rejected');
  if (failed) {
    response.status(statusFor(failed.reason)).json({ error: failed.reason.message });
    return;
  }
  const total = answers.reduce((sum, answer) => sum + answer.value.price_cents, 0);
  const inserted = await database.query(
    'INSERT INTO orders (user_id, product_ids, total_cents) VALUES ($1, $2, $3) RETURNING id, created_at',
    [user.id, productIds, total],
  );
  response.status(201).json({ ...inserted.rows[0], user: user.name, total_cents: total });
});

app.get('/api/v1/orders/:id', async (request, response) => {
  const id = Number(request.params.id);
  if (!Number.isSafeInteger(id)) {
    response.status(400).json({ error: 'an order id is a number' });
    return;
  }
  const found = await database.query('SELECT * FROM orders WHERE id = $1', [id]);
  if (found.rows.length === 0) {
    response.status(404).json({ error: `no order ${id}` });
    return;
  }
  response.json(found.rows[0]);
});

app.use((error, request, response, next) => {
  console.error(error);
  if (response.headersSent) {
    next(error);
    return;
  }
  response.status(error.status ?? 500).json({ error: error.message });
});

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', (error) => {
  if (error) {
    console.error(`cannot listen: ${error.message}`);
    process.exit(1);
  }
  console.log(`Running on http://127.0.0.1:${server.address().port}`);
});

// Without this the process would outlive SIGTERM: the SDK's own handler flushes the last spans but
// does not end the process. It ends when nothing is left to do.
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  database.end().catch(() => {});
});
