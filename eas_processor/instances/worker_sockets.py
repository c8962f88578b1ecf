"""The four pairs of sockets between the engine and a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial

from eas_processor.instances.instance import Instance
from eas_processor.instances.links import BulkLink, FrameLink, open_link, socket_pair
from eas_processor.instances.worker_output import WorkerOutput
from eas_processor.link.frames import CHANNELS, Frame
from eas_processor.serving.budget import Budget


async def open_sockets(
    theirs: list[socket.socket],
    instance: Instance,
    budget: Budget,
    on_control: Callable[[list[Frame]], None],
    on_lost: Callable[[Instance, str], None],
) -> None:
    """
    Open the sockets of an instance: attach the engine's ends, and append the worker's to `theirs`.

    `on_control` gets the frames on `control`. `on_lost` gets the instance and the channel when the
    worker has closed a socket. Raises StartError.
    """
    protocols: dict[str, asyncio.Protocol] = {
        "control": FrameLink(on_control, partial(on_lost, instance, "control")),
        "data": FrameLink(
            partial(instance.replies, channel="data"), partial(on_lost, instance, "data")
        ),
        "bulk": BulkLink(
            partial(instance.replies, channel="bulk"),
            partial(on_lost, instance, "bulk"),
            budget,
            instance.charges_of,
        ),
        "log": WorkerOutput(instance, instance.last_words.note, partial(instance.link_lost, "log")),
    }
    for channel in CHANNELS:
        ours, other = socket_pair()
        theirs.append(other)
        transport = await open_link(ours, protocols[channel])
        if channel == "log":
            instance.attach_log()
        else:
            instance.attach(channel, transport)
