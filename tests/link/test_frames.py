from eas_processor.link.frames import HEAD, HEAD_SIZE, PREDICT, PROFILED, REPLY, LinkError, pack


def test_the_head_is_laid_out_as_documented():
    head = HEAD.pack(3, REPLY, 7, 450, 0x1122334455667788, 1.5)
    assert head == (
        b"\x03\x00\x00\x00"  # length
        b"\x12"  # kind
        b"\x07"  # codec
        b"\xc2\x01"  # status
        b"\x88\x77\x66\x55\x44\x33\x22\x11"  # number
        b"\x00\x00\x00\x00\x00\x00\xf8\x3f"  # deadline
    )
    assert HEAD_SIZE == len(head) == 24


def test_pack_makes_a_whole_frame():
    frame = pack(PREDICT, b"body", number=9)
    assert HEAD.unpack(frame[:HEAD_SIZE]) == (4, PREDICT, 0, 0, 9, 0.0)
    assert frame[HEAD_SIZE:] == b"body"


def test_a_link_that_is_gone_is_caught_like_a_socket_that_is():
    assert issubclass(LinkError, ConnectionError)


def test_pack_says_what_came_of_it():
    frame = pack(PROFILED, b"no", number=9, status=14)
    assert HEAD.unpack(frame[:HEAD_SIZE]) == (2, PROFILED, 0, 14, 9, 0.0)
