"""
Calls with a stub of grpcio, one at a time: `grpc_client.py HOST:PORT TOKEN SECONDS < MESSAGE`.

It prints the p50 in milliseconds. Each call has a deadline of 10 s.
"""

import sys
import time

import grpc

PREDICT = "/tensorflow.serving.PredictionService/Predict"
DEADLINE_S = 10.0


def main():
    """Call for the given time, after a tenth of it that is not counted."""
    address, token, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    message = sys.stdin.buffer.read()
    metadata = [("authorization", token)] if token else None
    times = []
    with grpc.insecure_channel(address) as channel:
        # The stub handles bytes, because the time to parse messages does not depend on the server.
        predict = channel.unary_unary(PREDICT)
        counted = time.perf_counter() + seconds / 10
        end = counted + seconds
        while (begin := time.perf_counter()) < end:
            predict(message, timeout=DEADLINE_S, metadata=metadata)
            if begin >= counted:
                times.append(time.perf_counter() - begin)
    print(sorted(times)[len(times) // 2] * 1000)


if __name__ == "__main__":
    main()
