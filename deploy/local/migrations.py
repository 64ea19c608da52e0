"""Migrations of the services' schemas, each run by the service itself.

Invariant: a migration is left out only where its files are those that were run last and the schema is still at the
revision at which they left it; starting four processes to find that out takes longer than the rest of a start.
"""

import asyncio
import hashlib

import asyncpg

from deploy.local.child import Child, describe_exit, tail
from deploy.local.errors import StackError
from deploy.local.layout import read_json, write_json
from deploy.local.processes import ROOT, Replica, Service, Surroundings

TIMEOUT_SECONDS = 120.0


async def migrate(around: Surroundings, service: Service, turn: asyncio.Lock) -> None:
    """Bring a service's schema up to date. Raises StackError, with the end of the log, where that fails.

    Services take turns: after an installation the first process compiles the modules that all of them import; side by
    side each would compile them all.
    """
    log_file = around.layout.rotate_log(service.name)
    files = _fingerprint(around, service)
    if _noted(around).get(service.name) == {"files": files, "revision": await _revision(around, service)}:
        return
    async with turn:
        code = await _run(around, service)
    if code is None:
        raise StackError(f"{service.name}: the migration took over {TIMEOUT_SECONDS:.0f} s: see {log_file}")
    if code != 0:
        shown = "\n".join(f"    {line}" for line in tail(log_file).splitlines())
        raise StackError(
            f"{service.name}: the migration failed ({describe_exit(code)}). The end of {log_file}:\n{shown}"
        )
    revision = await _revision(around, service)
    if revision is not None:
        done = {"files": files, "revision": revision}
        write_json(around.layout.migrations_file, {**_noted(around), service.name: done})


async def _run(around: Surroundings, service: Service) -> int | None:
    """Run the migration; returns its exit code, None where it took too long and was ended."""
    child = await Child.start(around.launch(Replica(service), "migrate"))
    try:
        return await asyncio.wait_for(child.wait(), TIMEOUT_SECONDS)
    except TimeoutError:
        return None
    finally:
        await child.stop(0)


def _noted(around: Surroundings) -> dict[str, dict[str, str]]:
    noted: dict[str, dict[str, str]] = read_json(around.layout.migrations_file) or {}
    return noted


def _fingerprint(around: Surroundings, service: Service) -> str:
    """A hash of everything that decides what a migration does."""
    folder = ROOT.joinpath(*around.config.services_package.split("."), service.name, "migrations")
    digest = hashlib.sha256()
    for path in (ROOT / "services" / "common" / "migration.py", *sorted(folder.rglob("*.py"))):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


async def _revision(around: Surroundings, service: Service) -> str | None:
    """The revision of a service's schema, read by its own role; None where it has none yet."""
    try:
        connection = await asyncpg.connect(around.database_urls[service.name], timeout=TIMEOUT_SECONDS)
        try:
            # Unqualified: the role's search path is its own schema.
            revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        finally:
            await connection.close()
    except asyncpg.UndefinedTableError:
        return None
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise StackError(f"{service.name} cannot reach its schema ({error}): check DATABASE_URL") from error
    return revision
