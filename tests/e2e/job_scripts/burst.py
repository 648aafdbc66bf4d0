"""Opens many TLS connections at once, then asks once on each. usage: burst.py HOST PATH COUNT"""
import asyncio
import resource
import ssl
import sys
import time


async def one(host, path, context, opened):
    reader, writer = await asyncio.open_connection(host, 443, ssl=context, ssl_handshake_timeout=100)
    opened.append(1)
    while len(opened) < int(sys.argv[3]):  # all of them are open before the first request
        await asyncio.sleep(0.02)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read(-1)
    writer.close()
    return answer.startswith(b"HTTP/1.1 200") and len(answer)


async def main():
    host, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context, opened, begin = ssl.create_default_context(), [], time.monotonic()
    done = await asyncio.gather(*(one(host, path, context, opened) for _ in range(count)), return_exceptions=True)
    failures = [repr(d) for d in done if not isinstance(d, int) or d < 1024]
    print(f"served {count - len(failures)} of {count} in {time.monotonic() - begin:.2f} s", failures[:3])


asyncio.run(main())
