"""Knows the products.

No tracing code here: the spans come from `opentelemetry-instrument flask --app app run`.
"""

import os
import time

from flask import Flask, abort, jsonify

# Seconds that the supplier of made-to-order products takes to say what they cost today.
SUPPLIER_SECONDS = 0.4

# Versions of this service as a bad deploy brings them: `slow`, or `failing` in every request for a product.
VARIANT = os.environ.get("SHOP_VARIANT", "")
SLOW_SECONDS = 1.5

PRODUCTS = {
    1: {"name": "notebook", "price": "3.90"},
    2: {"name": "pencil", "price": "0.80"},
    3: {"name": "fountain pen", "price": "24.00"},
    4: {"name": "ink", "price": "6.50"},
    5: {"name": "ruler", "price": "2.20"},
    6: {"name": "lamp", "price": "39.00"},
    7: {"name": "engraved box", "price": "55.00", "made_to_order": True},
    # Somebody forgot the price. Asking for this product fails as such things do in real shops.
    8: {"name": "eraser", "price": None},
}

app = Flask(__name__)


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.get("/api/v1/products")
def products():
    return jsonify([{"id": id, "name": product["name"]} for id, product in PRODUCTS.items()])


@app.get("/api/v1/products/<int:id>")
def product(id: int):
    found = PRODUCTS.get(id)
    if found is None:
        abort(404, description=f"no product {id}")
    if VARIANT == "failing":
        raise RuntimeError("the price list cannot be read")
    if VARIANT == "slow":
        time.sleep(SLOW_SECONDS)
    if found.get("made_to_order"):
        time.sleep(SUPPLIER_SECONDS)
    return {"id": id, "name": found["name"], "price_cents": round(float(found["price"]) * 100)}


@app.errorhandler(404)
def not_found(error):
    return {"error": error.description}, 404


@app.errorhandler(500)
def broken(error):
    return {"error": "product-service failed"}, 500
