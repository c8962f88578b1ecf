import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas_processor.link.codes import TOO_LARGE
from eas_processor.link.deframer import Deframer
from eas_processor.link.frames import HEAD, PREDICT, REPLY

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([PREDICT, REPLY]),
        st.integers(0, 0xFF),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFFFFFFFFFF),
        st.floats(allow_nan=False),
        st.binary(max_size=80),
    ),
    max_size=8,
)


def stream(frames):
    return b"".join(
        HEAD.pack(len(payload), kind, codec, status, number, deadline) + payload
        for kind, codec, status, number, deadline, payload in frames
    )


def cut(data, places):
    places = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0] + places, places + [len(data)])]


def deframe(pieces):
    deframer = Deframer()
    return [frame[:5] + (b"".join(frame[5]),) for piece in pieces for frame in deframer.feed(piece)]


@given(FRAMES, st.lists(st.integers(0, 2000), max_size=30))
def test_any_cut_of_a_stream_gives_the_same_frames(frames, places):
    assert deframe(cut(stream(frames), places)) == frames


@given(FRAMES)
def test_one_byte_at_a_time_gives_the_same_frames(frames):
    data = stream(frames)
    assert deframe([data[at : at + 1] for at in range(len(data))]) == frames


@pytest.mark.parametrize("size", [0, 1, 23, 24, 25])
def test_a_frame_is_given_as_soon_as_it_is_whole(size):
    data = stream([(PREDICT, 0, 0, 1, 0.0, b"x" * size)])
    deframer = Deframer()
    assert deframer.feed(data[:-1]) == []
    assert len(deframer.feed(data[-1:])) == 1


def test_a_large_payload_is_the_list_of_its_pieces():
    payload = bytes(bytearray(range(250))) * 4000
    pieces = cut(stream([(REPLY, 0, 0, 1, 0.0, payload)]), range(65536, 1000000, 65536))
    deframer = Deframer()
    frames = [frame for piece in pieces for frame in deframer.feed(piece)]
    assert len(frames) == 1
    assert len(frames[0][5]) == len(pieces)
    assert b"".join(frames[0][5]) == payload


def test_the_frames_after_a_large_payload_are_found():
    large, small = (REPLY, 0, 0, 1, 0.0, b"x" * 1000), (REPLY, 0, 0, 2, 0.0, b"small")
    data = stream([large, small, small])
    assert deframe([data[:500], data[500:]]) == [large, small, small]


def test_a_payload_that_is_not_wanted_is_thrown_away_as_it_comes():
    large, small = (REPLY, 0, 0, 1, 0.5, b"x" * 1000), (REPLY, 0, 0, 2, 0.0, b"small")
    data = stream([large, small, large])
    deframer = Deframer()
    assert deframer.complete
    assert deframer.feed(data[:100]) == []
    assert not deframer.complete and deframer.arriving == 1000
    deframer.replace(TOO_LARGE, b"too large")
    assert deframer.feed(data[100:900]) == []
    frames = deframer.feed(data[900:1500])
    assert frames == [
        (REPLY, 0, TOO_LARGE, 1, 0.5, [b"too large"]),
        (REPLY, 0, 0, 2, 0.0, [b"small"]),
    ]
    (last,) = deframer.feed(data[1500:])
    assert b"".join(last[5]) == b"x" * 1000
