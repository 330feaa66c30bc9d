"""A test of the shop, traced as one: it looks at the list of products and at a customer.

Its spans are named `testmesh.…`, so that what the requests cause counts as test traffic: it enriches the
graph and covers flows, and teaches the statistics nothing. Run it as
`opentelemetry-instrument python smoke_test.py`; the SDK hands the trace's context on to the services.
"""

import argparse

import requests
from opentelemetry import trace

TIMEOUT_S = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--user-service", required=True, metavar="URL")
    parser.add_argument("--product-service", required=True, metavar="URL")
    options = parser.parse_args()
    tracer = trace.get_tracer("shop-smoke-test")
    for name, url in [
        ("products are listed", f"{options.product_service}/api/v1/products"),
        ("a customer has a name", f"{options.user_service}/api/v1/users/1"),
    ]:
        with tracer.start_as_current_span("testmesh.execution", attributes={"testmesh.flow.name": name}):
            answer = requests.get(url, timeout=TIMEOUT_S)
            answer.raise_for_status()
        print(f"{name}: {answer.status_code}")


if __name__ == "__main__":
    main()
