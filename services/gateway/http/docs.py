"""The documentation page at /docs: Swagger UI, served by this process alone.

Invariant: the page loads nothing from anywhere else, and says so to the browser.
"""

from importlib import resources

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

# That package is the place where Swagger UI's two files are kept up to date; nothing else of it is used.
_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tandem: API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def docs_router() -> APIRouter:
    """The page and its parts; none of them is part of the API."""
    router = APIRouter(include_in_schema=False)
    static = resources.files("fastapi_offline") / "static"
    parts = {name: (static.joinpath(name).read_bytes(), kind) for name, kind in _ASSETS.items()}
    parts["start.js"] = (_START.encode(), "text/javascript")

    @router.get("/docs")
    async def page() -> Response:
        return Response(_PAGE, headers={"Content-Security-Policy": _POLICY}, media_type="text/html")

    @router.get("/docs/{name}")
    async def part(name: str) -> Response:
        if name not in parts:
            raise HTTPException(404)
        content, kind = parts[name]
        return Response(content, headers={"Cache-Control": "public, max-age=3600"}, media_type=kind)

    return router
