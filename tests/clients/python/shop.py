"""A Python service as most are written: Flask, requests, and the stock SDK by `opentelemetry-instrument`.

GET /api/v1/checkout/<id> asks the service at PEER_URL for /api/v1/stock/<id>.
"""

import os
import signal
import sys

import requests
from flask import Flask

# `flask run` dies of SIGTERM at once; this way the SDK flushes what it still has.
signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))

app = Flask(__name__)


@app.get("/api/v1/checkout/<int:id>")
def checkout(id: int):
    answer = requests.get(f"{os.environ['PEER_URL']}/api/v1/stock/{id}", timeout=10)
    return answer.json(), answer.status_code


@app.get("/healthz")
def health():
    return "ok"
