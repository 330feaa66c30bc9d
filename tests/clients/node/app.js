// A Node service as most are written: Express, fetch, and the stock SDK by
// `node --require @opentelemetry/auto-instrumentations-node/register app.js`.
//
//   GET /api/v1/checkout/:id   asks the service at PEER_URL for /api/v1/stock/:id
//   GET /api/v1/stock/:id      answers
'use strict';

const express = require('express');

const app = express();

app.get('/api/v1/checkout/:id', async (request, response) => {
  const answer = await fetch(`${process.env.PEER_URL}/api/v1/stock/${request.params.id}`);
  response.status(answer.status).json(await answer.json());
});

app.get('/api/v1/stock/:id', (request, response) => {
  response.json({ id: request.params.id, left: 3 });
});

app.get('/healthz', (request, response) => {
  response.send('ok');
});

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`Running on http://127.0.0.1:${server.address().port}`);
});

process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
