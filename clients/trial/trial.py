"""Two requests with a second between them: trial.py LIBRARY METHOD URL.

Sends METHOD to URL/first and URL/second and exits with 0 if both were answered.
"""

import asyncio
import sys
import time

library, method, url = sys.argv[1:]
body = b"ten won" if method == "POST" else None


def two(send):
    assert send("/first") == 200
    time.sleep(1)
    assert send("/second") == 200


if library == "requests":
    import requests

    session = requests.Session()
    two(lambda path: session.request(method, url + path, data=body).status_code)
elif library == "urllib3":
    import urllib3

    pool = urllib3.PoolManager()
    two(lambda path: pool.request(method, url + path, body=body).status)
elif library == "httpx":
    import httpx

    client = httpx.Client()
    two(lambda path: client.request(method, url + path, content=body).status_code)
elif library == "http.client":
    import http.client

    connection = http.client.HTTPConnection(url.removeprefix("http://"))

    def send(path):
        connection.request(method, path, body=body)
        response = connection.getresponse()
        response.read()
        return response.status

    two(send)
elif library == "aiohttp":
    import aiohttp

    async def run():
        async with aiohttp.ClientSession() as session:
            for path in ["/first", "/second"]:
                async with session.request(method, url + path, data=body) as response:
                    await response.read()
                    assert response.status == 200
                if path == "/first":
                    await asyncio.sleep(1)

    asyncio.run(run())
else:
    sys.exit(f"no library {library}")
