"""`python -m deploy.install files|kubernetes-secrets|database|stream|demo|token`: what an installation needs once."""

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx

from deploy.install.files import admin_database_url, keep_secrets, write_files
from deploy.install.manifests import write_manifests
from deploy.local import demo
from deploy.local.database import prepare_database
from deploy.local.engines import declare_stream
from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.nats import ADMINISTRATOR
from deploy.local.secrets import Secrets
from deploy.local.token import Role, mint_token


def main(arguments: list[str]) -> int:
    """Do what the command line asks; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        secrets = keep_secrets(options.directory)
        match options.command:
            case "files":
                write_files(
                    options.directory,
                    secrets,
                    options.database,
                    datetime.now(UTC),
                    demo=options.exchange_mode == "sandbox",
                )
            case "kubernetes-secrets":
                print(write_manifests(secrets, options.namespace, options.database))
            case "database":
                url = os.environ.get("ADMIN_DATABASE_URL") or admin_database_url(secrets, options.database)
                asyncio.run(_prepare(url, secrets))
            case "stream":
                asyncio.run(declare_stream(_nats_url(secrets, options.nats), replicas=options.replicas))
            case "demo":
                asyncio.run(_demonstrate(options.directory, secrets, options.sandbox, options.gateway))
            case "token":
                role: Role = "admin" if options.role == "admin" else "user"
                print(mint_token(secrets.jwt_secret, options.user_id, role, datetime.now(UTC)))
    except StackError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1
    return 0


async def _demonstrate(directory: Path, secrets: Secrets, sandbox_url: str, gateway_url: str) -> None:
    token = mint_token(secrets.jwt_secret, demo.USER_ID, "user", datetime.now(UTC))
    async with httpx.AsyncClient() as client:
        accounts = await demo.mint_accounts(client, sandbox_url, Layout(directory))
        await demo.register_accounts(client, gateway_url, token, accounts)


async def _prepare(url: str, secrets: Secrets) -> None:
    await prepare_database(url, secrets.database_passwords)


def _nats_url(secrets: Secrets, address: str) -> str:
    given = os.environ.get("ADMIN_NATS_URL")
    return given or f"nats://{ADMINISTRATOR}:{quote(secrets.nats_passwords[ADMINISTRATOR], safe='')}@{address}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.install", description="What an installation needs once.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument(
            "--directory", type=Path, required=True, help="where the installation's secrets are kept; keep it safe"
        )
        return one

    files = command("files", "write each process's secret files and certificate, and the servers' configuration")
    manifests = command("kubernetes-secrets", "print the Secrets of an installation on Kubernetes")
    manifests.add_argument("--namespace", default="tandem", help="default: %(default)s")
    database = command(
        "database",
        "make the database, and a role and schema for each service; with ADMIN_DATABASE_URL on a Postgres of your own",
    )
    for one in (files, manifests, database):
        one.add_argument("--database", default="postgres:5432", help="host:port of Postgres (default: %(default)s)")
    stream = command("stream", "declare the stream of events; with ADMIN_NATS_URL on a NATS of your own")
    stream.add_argument("--nats", default="nats:4222", help="host:port of NATS (default: %(default)s)")
    stream.add_argument("--replicas", type=int, default=1, help="servers that keep each message (default: %(default)s)")
    files.add_argument(
        "--exchange-mode",
        choices=("live", "sandbox"),
        default="live",
        help="with sandbox, whoever reaches the gateway may be the demo user (default: %(default)s)",
    )
    demonstration = command("demo", "give the demo user an account on each exchange of the sandbox")
    demonstration.add_argument("--sandbox", required=True, help="its address, http://host:port")
    demonstration.add_argument("--gateway", required=True, help="its address, http://host:port")
    token = command("token", "print a token that the installation's own secret signs")
    token.add_argument("--user-id", required=True)
    token.add_argument("--role", choices=("user", "admin"), default="user")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
