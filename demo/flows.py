#!/usr/bin/env python3
"""Reads the answer of GET …/telemetry/flows on stdin and prints it as a table.

--enough       prints nothing; exits 0 when there is something to show: a flow of orders that went
               all the way to the database, five times, and three other flows
--order-flow   prints the id of that flow
"""

import json
import sys

ORDER = "POST /api/v1/orders"


def path(flow: dict) -> str:
    return " -> ".join(f"{node['type']}:{node['identifier']}" for node in flow["graph_path"])


def order_flow(flows: list[dict]) -> dict | None:
    """The most frequent flow of an order that reached the database."""
    orders = [
        flow
        for flow in flows
        if flow["entry_operation"] == ORDER and any(node["type"] == "database" for node in flow["graph_path"])
    ]
    return max(orders, key=lambda flow: flow["occurrence_count"], default=None)


def table(flows: list[dict]) -> str:
    head = ["FLOW", "COUNT", "ERRORS", "AVG MS", "P95 MS", "RISK"]
    rows = [
        [
            flow["name"],
            str(flow["occurrence_count"]),
            f"{flow['error_rate']:.1%}",
            f"{flow['avg_duration_ms']:.1f}",
            f"{flow['p95_duration_ms']:.1f}",
            f"{flow['risk_score']:.3f}",
        ]
        for flow in flows
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        return "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        )

    lines = [line(head)]
    for flow, row in zip(flows, rows):
        lines += [line(row), f"  {path(flow)}"]
    return "\n".join(lines)


def main() -> int:
    flows = json.load(sys.stdin)["flows"]
    if "--enough" in sys.argv:
        orders = order_flow(flows)
        return 0 if orders and orders["occurrence_count"] >= 5 and len(flows) >= 4 else 1
    if "--order-flow" in sys.argv:
        print(order_flow(flows)["id"])
        return 0
    print(table(flows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
