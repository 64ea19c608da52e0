"""The database `tandem` on a server that exists: one role and one schema for each service.

Invariants: a service's role owns its own schema and has no right on anything else; nobody has rights by way of PUBLIC;
running it again changes nothing but the passwords, which are set to those given.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.local.errors import StackError

DATABASE = "tandem"
SERVICES = ("positions", "reconciler", "monitor", "gateway")
CONNECT_TIMEOUT_SECONDS = 10.0
# Two stacks may prepare one server at once; roles are the server's, so they take turns.
LOCK_KEY = 0x7A4D0001


async def prepare_database(admin_url: str, passwords: Mapping[str, str], name: str = DATABASE) -> dict[str, str]:
    """Make the database, roles and schemas where they are missing; returns each service's own URL.

    `admin_url` is an administrator's (may create databases and roles); `passwords` holds one for each service.
    Raises StackError when the server cannot be reached or refuses.
    """
    try:
        connection = await _connect(admin_url)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
            await _make_roles(connection, passwords)
            await _make_database(connection, name)
            await _make_schemas(database_url(admin_url, name), name)
        finally:
            await connection.close()
    except (OSError, TimeoutError) as error:
        raise StackError(
            f"the database server at {_address(admin_url)} cannot be reached: check DATABASE_URL"
        ) from error
    except asyncpg.PostgresError as error:
        raise StackError(
            f"the database server at {_address(admin_url)} refused: {error}: check DATABASE_URL"
        ) from error
    return {service: service_url(admin_url, service, passwords[service], name) for service in SERVICES}


def role_name(service: str) -> str:
    """The role of a service. Roles are shared by all databases of a server, hence the prefix."""
    return f"tandem_{service}"


def database_url(admin_url: str, name: str = DATABASE) -> str:
    """The administrator's URL of one database of the server."""
    return urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))


def service_url(admin_url: str, service: str, password: str, name: str = DATABASE) -> str:
    """The URL with which a service reaches its own schema."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role_name(service)}:{quote(password, safe='')}@{host}", path=f"/{name}"))


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)
    except (ValueError, asyncpg.InterfaceError) as error:
        raise StackError(
            "DATABASE_URL is not a database's address: use postgresql://user:password@host:port/db"
        ) from error


async def _make_roles(connection: asyncpg.Connection, passwords: Mapping[str, str]) -> None:
    for service in SERVICES:
        role = role_name(service)
        exists = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
        verb = "ALTER" if exists else "CREATE"
        await connection.execute(f'{verb} ROLE "{role}" LOGIN PASSWORD {_literal(passwords[service])}')


async def _make_database(connection: asyncpg.Connection, name: str) -> None:
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        await connection.execute(f'CREATE DATABASE "{name}"')


async def _make_schemas(url: str, name: str) -> None:
    connection = await _connect(url)
    try:
        superuser = await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        async with connection.transaction():
            await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
            await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for service in SERVICES:
                role = role_name(service)
                if not superuser:  # only a member of a role may make it an owner
                    await connection.execute(f'GRANT "{role}" TO CURRENT_USER')
                await connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{role}"')
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{service}" AUTHORIZATION "{role}"')
                await connection.execute(f'REVOKE ALL ON SCHEMA "{service}" FROM PUBLIC')
                await connection.execute(f'ALTER ROLE "{role}" IN DATABASE "{name}" SET search_path = "{service}"')
    finally:
        await connection.close()


def _literal(text: str) -> str:
    """Quote a string for SQL: statements about roles take no parameters."""
    if "\\" in text or "\0" in text:
        raise StackError("a database password may hold neither a backslash nor a null character")
    return "'" + text.replace("'", "''") + "'"


def _address(url: str) -> str:
    """Host and port of a URL, without the password."""
    return urlsplit(url).netloc.rpartition("@")[2] or "DATABASE_URL"
