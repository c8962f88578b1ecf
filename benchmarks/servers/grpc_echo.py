"""A server of grpcio that answers each call with 60 bytes. `grpc_echo.py PORT sync|aio`."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

ANSWER = b"\0" * 60


class Sync(grpc.GenericRpcHandler):
    """Every method, on a thread."""

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(lambda message, context: ANSWER)


class Aio(grpc.GenericRpcHandler):
    """Every method, as a coroutine."""

    def service(self, handler_call_details):
        async def answer(message, context):
            return ANSWER

        return grpc.unary_unary_rpc_method_handler(answer)


def serve(port):
    """Serve with threads."""
    # Of 1, 4 and 16 threads, 4 were the quickest on two cores.
    server = grpc.server(ThreadPoolExecutor(4), handlers=(Sync(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


async def serve_aio(port):
    """Serve with an event loop."""
    server = grpc.aio.server(handlers=(Aio(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    port, kind = sys.argv[1:3]
    if kind == "aio":
        asyncio.run(serve_aio(port))
    else:
        serve(port)
