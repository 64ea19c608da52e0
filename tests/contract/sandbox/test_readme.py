"""The script in the sandbox's README runs as it stands there."""

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


async def test_the_script_opens_and_closes_on_both_venues(running: str) -> None:
    [script] = re.findall(r"```python\n(.*?)```", (ROOT / "deploy/sandbox/README.md").read_text(), re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, running, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    lines = out.decode().splitlines()
    assert [line.split(" at ")[0] for line in lines] == [
        "binance opened long 0.01",
        "binance closed",
        "bybit opened long 0.01",
        "bybit closed",
    ]
