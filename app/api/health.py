"""Probes: is the process up, and does its database answer."""

from fastapi import APIRouter, Response

from app.errors import DatabaseError
from app.postgres.pool import Database
from app.shared_read import SharedRead

MEDIA_TYPE = "application/health+json"
CONTENT = {MEDIA_TYPE: {"schema": {"type": "object", "properties": {"status": {"enum": ["pass", "fail"]}}}}}
PASS, FAIL = b'{"status":"pass"}', b'{"status":"fail"}'
REUSE_SECONDS = 1.0


def health_routes(router: APIRouter, database: Database) -> None:
    async def answers() -> bool:
        try:
            await database.ping()
        except DatabaseError:
            return False
        return True

    # A flood of probes costs one query a second, whatever it finds.
    shared = SharedRead(answers, reuse_seconds=REUSE_SECONDS)

    # FastAPI takes what it does not know the media type of for its own JSON, but for a bare Response.
    @router.get(
        "/livez",
        tags=["health"],
        summary="The process is up; touches nothing",
        response_class=Response,
        responses={200: {"content": CONTENT}},
    )
    async def livez() -> Response:
        return Response(PASS, media_type=MEDIA_TYPE)

    async def healthz() -> Response:
        healthy = (await shared.get()).value
        return Response(PASS if healthy else FAIL, 200 if healthy else 503, media_type=MEDIA_TYPE)

    for path in ("/healthz", "/readyz"):
        router.add_api_route(path, healthz, methods=["GET", "HEAD"], include_in_schema=False)
        # For the OpenAPI document alone, where two methods of one route would share an operation id.
        router.add_api_route(
            path,
            healthz,
            methods=["GET"],
            tags=["health"],
            name=path.strip("/"),
            summary="The database answers within a second",
            response_class=Response,
            responses={200: {"content": CONTENT}, 503: {"description": "It does not", "content": CONTENT}},
        )
