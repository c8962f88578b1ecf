"""A bare HTTP server on httptools and uvloop, which answers each POST with 60 bytes at once."""

import asyncio
import gc
import socket
import sys

import httptools
import uvloop

REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 60\r\n\r\n"
REPLY += b"\0" * 60


class Echo(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport):
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_body(self, body):
        pass

    def on_message_complete(self):
        self.transport.write(REPLY)


async def main():
    """Listen on the port in the only argument."""
    loop = asyncio.get_running_loop()
    sock = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    server = await loop.create_server(Echo, sock=sock)
    gc.freeze()
    await server.serve_forever()


uvloop.run(main())
