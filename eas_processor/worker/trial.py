"""
Send one request to a processor's hooks without a service, for `eascmd processor test`.

The arguments are the hooks, the model, `model_config`, the number of the codec, and a descriptor
for the answer. The request is read from stdin. The answer is one line with the name of its code or
the processor's own status, and then the payload.
"""

import os
import sys

from eas_processor.link.codes import MODEL_FAULT, NAMES, PROCESSOR, UNIMPLEMENTED, unpack_status
from eas_processor.worker.errors import HooksError
from eas_processor.worker.hooks import Answer, Processor, import_hooks


def main() -> None:
    """Load the processor, answer the request, and end."""
    hooks, model, config, codec, descriptor = sys.argv[1:]
    with os.fdopen(int(descriptor), "wb") as answer:
        code, payload = _answer(hooks, model, config, int(codec), sys.stdin.buffer.read())
        name = NAMES[code]
        if code == PROCESSOR:
            status, payload = unpack_status(payload)
            name = f"status {status}"
        answer.write(name.encode() + b"\n" + payload)
    sys.stdout.flush()


def _answer(hooks: str, model: str, config: str, codec: int, request: bytes) -> Answer:
    os.chdir(os.path.dirname(hooks))
    try:
        processor = Processor(import_hooks(hooks), model, config)
    except HooksError as error:
        return MODEL_FAULT, str(error).encode("utf-8", "replace")
    if not request:
        # The engine, too, answers empty requests with the processor's description of its model.
        described = processor.describe()
        if described[0] != UNIMPLEMENTED:
            return described
    try:
        return processor.process(request, codec)
    finally:
        processor.shutdown()
