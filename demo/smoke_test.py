"""A test of the shop, traced as one: it looks at the list of products and at a customer.

Its spans are named `testmesh.…`, so that what the requests cause counts as test traffic: it enriches the
graph and covers flows, and teaches the statistics nothing. It hands the trace's context on itself, since a
span of an instrumented HTTP client would be one of the system's, not of the test's. Run it as
`opentelemetry-instrument python smoke_test.py` with OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=requests,urllib3.
"""

import argparse

import requests
from opentelemetry import propagate, trace

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
            headers: dict[str, str] = {}
            propagate.inject(headers)
            answer = requests.get(url, headers=headers, timeout=TIMEOUT_S)
            answer.raise_for_status()
        print(f"{name}: {answer.status_code}")


if __name__ == "__main__":
    main()
