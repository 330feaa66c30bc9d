"""Knows the customers.

No tracing code here: the spans come from `opentelemetry-instrument uvicorn app:app`.
"""

from fastapi import FastAPI, HTTPException

NAMES = ["Ada", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Leslie", "Margaret", "Niklaus", "Tony"]

app = FastAPI(title="user-service", version="1.0.0")


@app.get("/healthz")
async def health() -> dict:
    return {"status": "ok"}


@app.get("/api/v1/users/{id}")
async def user(id: int) -> dict:
    if not 1 <= id <= len(NAMES):
        raise HTTPException(status_code=404, detail=f"no user {id}")
    return {"id": id, "name": NAMES[id - 1]}


@app.delete("/api/v1/users/{id}", status_code=204)
async def forget(id: int) -> None:
    raise HTTPException(status_code=501, detail="customers are not forgotten yet")
