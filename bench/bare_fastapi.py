"""FastAPI and nothing else: what the rendered service is compared with."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/bench")
async def answer() -> dict[str, str | int]:
    return {"message": "hello", "number": 42}
