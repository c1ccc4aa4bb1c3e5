"""Requests in runs with a pause between them: trial.py LIBRARY; README.md has the environment."""

import asyncio
import os
import sys

library = sys.argv[1]
url = os.environ["HALFOPEN_URL"]
method = os.environ.get("HALFOPEN_METHOD", "GET")
pause = float(os.environ.get("HALFOPEN_PAUSE_S", "1"))
runs = int(os.environ.get("HALFOPEN_RUNS", "2"))
requests_a_run = int(os.environ.get("HALFOPEN_REQUESTS", "1"))
body = b"ten won" if method == "POST" else None


async def trial(send):
    """Sends by `send`, which returns the status, and tells how it went."""
    failed = False
    for run in range(runs):
        if run > 0:
            await asyncio.sleep(pause)
        for _ in range(requests_a_run):
            try:
                print(await send(), flush=True)
            except Exception as error:
                failed = True
                print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(failed)


def plain(send):
    """Makes an asynchronous function of one that blocks."""

    async def sending():
        return send()

    return sending


async def main():
    if library == "requests":
        import requests

        session = requests.Session()
        await trial(plain(lambda: session.request(method, url, data=body).status_code))
    elif library == "urllib3":
        import urllib3

        pool = urllib3.PoolManager()
        await trial(plain(lambda: pool.request(method, url, body=body).status))
    elif library == "httpx":
        import httpx

        client = httpx.Client()
        await trial(plain(lambda: client.request(method, url, content=body).status_code))
    elif library == "http.client":
        import http.client
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc)

        def send():
            connection.request(method, parts.path or "/", body=body)
            response = connection.getresponse()
            response.read()
            return response.status

        await trial(plain(send))
    elif library == "aiohttp":
        import aiohttp

        async with aiohttp.ClientSession() as session:

            async def send():
                async with session.request(method, url, data=body) as response:
                    await response.read()
                    return response.status

            await trial(send)
    else:
        sys.exit(f"no library {library}")


asyncio.run(main())
