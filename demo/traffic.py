#!/usr/bin/env python3
"""Customers of the demo shop: a steady, bounded stream of requests.

At most one request is under way, and never more than --rate are started in a second. It ends with
SIGTERM or after --seconds, and says how many requests it made and what came back.
"""

import argparse
import collections
import http.client
import json
import random
import signal
import sys
import time
import urllib.parse

GOOD_PRODUCTS = [1, 2, 3, 4, 5, 6]
SLOW_PRODUCT = 7  # made to order
BROKEN_PRODUCT = 8  # has no price: 500
UNKNOWN_PRODUCT = 999  # 404
USERS = 10
REQUEST_TIMEOUT_S = 10


def stop(signum, frame):
    raise SystemExit(0)


class Customers:
    def __init__(self, urls: dict[str, str], seed: int):
        self.hosts = {name: urllib.parse.urlsplit(url).netloc for name, url in urls.items()}
        self.random = random.Random(seed)
        self.orders: collections.deque[int] = collections.deque(maxlen=100)
        self.answers: collections.Counter[str] = collections.Counter()

    def act(self) -> None:
        """Makes one request, as one of the things that customers do."""
        dice = self.random.random()
        if dice < 0.50 or not self.orders:
            self.order()
        elif dice < 0.70:
            self.request("order", "GET", f"/api/v1/orders/{self.random.choice(self.orders)}")
        elif dice < 0.88:
            self.request("product", "GET", "/api/v1/products")
        else:
            self.request("user", "GET", f"/api/v1/users/{self.random.randint(1, USERS)}")

    def order(self) -> None:
        products = self.random.sample(GOOD_PRODUCTS, self.random.randint(1, 4))
        dice = self.random.random()
        if dice < 0.02:
            products[-1] = UNKNOWN_PRODUCT
        elif dice < 0.04:
            products[-1] = BROKEN_PRODUCT
        elif dice < 0.09:
            products[-1] = SLOW_PRODUCT
        body = {"user_id": self.random.randint(1, USERS), "product_ids": products}
        answer = self.request("order", "POST", "/api/v1/orders", body)
        if answer is not None and "id" in answer:
            self.orders.append(int(answer["id"]))

    def request(self, service: str, method: str, path: str, body=None):
        connection = http.client.HTTPConnection(self.hosts[service], timeout=REQUEST_TIMEOUT_S)
        try:
            encoded = None if body is None else json.dumps(body)
            connection.request(method, path, encoded, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            self.answers[str(response.status)] += 1
            return json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.answers[type(error).__name__] += 1
            return None
        finally:
            connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--order-service", required=True, metavar="URL")
    parser.add_argument("--user-service", required=True, metavar="URL")
    parser.add_argument("--product-service", required=True, metavar="URL")
    parser.add_argument("--rate", type=float, default=8, help="requests a second (default 8)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    if not 0 < options.rate <= 100:
        parser.error("--rate is more than 0 and at most 100")
    signal.signal(signal.SIGTERM, stop)
    print(f"seed {options.seed}, {options.rate:g} requests a second", flush=True)

    customers = Customers(
        {
            "order": options.order_service,
            "user": options.user_service,
            "product": options.product_service,
        },
        options.seed,
    )
    end = time.monotonic() + options.seconds
    due = time.monotonic()
    try:
        while due < end:
            time.sleep(max(0, due - time.monotonic()))
            customers.act()
            # After a slow answer the lost time is not made up: pace, not a burst.
            due = max(due + 1 / options.rate, time.monotonic())
    finally:
        total = sum(customers.answers.values())
        counts = ", ".join(f"{count} x {what}" for what, count in customers.answers.most_common())
        print(f"{total} requests: {counts}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
