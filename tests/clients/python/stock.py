"""A Python service as most are written: FastAPI, uvicorn, and the stock SDK by `opentelemetry-instrument`."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/api/v1/stock/{id}")
async def stock(id: int) -> dict:
    return {"id": id, "left": 3}


@app.get("/healthz")
async def health() -> str:
    return "ok"
