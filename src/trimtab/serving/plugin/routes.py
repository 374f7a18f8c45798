"""The routes that trimtab adds to vLLM's own server."""

# pyright: reportMissingImports=false

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from vllm.v1.metrics.prometheus import get_prometheus_registry

from trimtab.errors import TrimtabError
from trimtab.serving.desk import Desk, is_operator
from trimtab.serving.facts import ServedModel
from trimtab.serving.launching import OPERATOR_KEY
from trimtab.serving.plugin.front import LEDGER
from trimtab.serving.plugin.guards import limit_bodies
from trimtab.serving.settings import Settings, process_bank, process_settings

ARTIFACTS = "/v1/steering/artifacts"
router = APIRouter()


class Routes:
    """What vLLM is told of the routes; see its ``EndpointPlugin``."""

    name = "trimtab"
    required_tasks = ("generate",)

    def attach_router(self, app: FastAPI) -> None:
        """Add the routes, where trimtab started the server."""
        if Settings.read() is not None:
            app.include_router(router)
            limit_bodies(app, process_settings().most_bytes)

    async def init_state(self, engine_client: Any, state: Any, args: Namespace) -> None:
        """Keep what the routes need."""
        if Settings.read() is None:
            return

        async def workers(method: str, arguments: tuple[Any, ...]) -> list[Any]:
            return await engine_client.collective_rpc(method, args=arguments)

        config = engine_client.vllm_config
        state.trimtab = Desk(process_settings(), process_bank(), workers)
        state.trimtab_model = ServedModel.load(process_settings().facts).about() | {
            "device": str(config.device_config.device_type),
            "max_model_len": config.model_config.max_model_len,
            "max_logprobs": config.model_config.max_logprobs,
            "served_as": args.served_model_name[0] if args.served_model_name else args.model,
        }
        get_prometheus_registry().register(Counts())


class Counts(Collector):
    """Steered answers by artifact and target, in the form that vLLM's ``/metrics`` tells."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Tell them as they are now."""
        for name, what, counts in (
            ("steered", "Steered answers that were begun", LEDGER.steered),
            ("failed", "Steered answers that could not be given", LEDGER.failed),
        ):
            told = CounterMetricFamily(
                f"trimtab_{name}_answers", f"{what}, by artifact.", labels=["artifact", "target"]
            )
            for kind, count in list(counts.items()):
                told.add_metric(kind, count)
            yield told


@router.get("/v1/steering/model")
async def model(request: Request) -> JSONResponse:
    """Tell which model is served: what a client checks artifacts against."""
    return JSONResponse(request.app.state.trimtab_model)


@router.get(ARTIFACTS)
async def artifacts(request: Request) -> JSONResponse:
    """List the artifacts that requests may name."""
    return JSONResponse({"artifacts": request.app.state.trimtab.bank.about()})


@router.post(ARTIFACTS)
async def add(request: Request) -> JSONResponse:
    """Offer an artifact of the bank's folder."""

    async def change(desk: Desk) -> object:
        try:
            asked = await request.json()
        except ValueError:
            asked = await request.body()
        return await desk.add(asked)

    return await _changed(request, change)


@router.delete(ARTIFACTS + "/{name}")
async def remove(request: Request, name: str, target: str | None = None) -> JSONResponse:
    """Stop offering an artifact."""

    async def change(desk: Desk) -> object:
        await desk.remove(name, target)
        return {"removed": name, "target": target}

    return await _changed(request, change)


@router.get("/v1/steering/receipts/{request_id}")
async def receipts(request_id: str) -> JSONResponse:
    """Give the receipts of a request, one for each of its answers: a stream carries none."""
    found = LEDGER.receipts(request_id)
    if not found:
        return _refusal(404, f"`id` must be that of a steered answer of late; {request_id!r:.100} is none.")
    return JSONResponse({"id": request_id, "receipts": found})


async def _changed(request: Request, change: Callable[[Desk], Awaitable[object]]) -> JSONResponse:
    key = os.environ.get(OPERATOR_KEY)
    if not key:
        return _refusal(
            403, f"artifacts can be changed only on a server that was started with a key for it; set {OPERATOR_KEY}."
        )
    if not is_operator(request.headers.get("Authorization"), key):
        return _refusal(401, "artifacts can be changed only with the operators' key; send it as a bearer token.")
    try:
        return JSONResponse(await change(request.app.state.trimtab))
    except TrimtabError as error:
        return _refusal(400, str(error))


def _refusal(code: int, message: str) -> JSONResponse:
    kinds = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError"}
    return JSONResponse({"error": {"message": message, "type": kinds[code], "param": None, "code": code}}, code)
