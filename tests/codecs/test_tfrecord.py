"""TFRecord files of TensorFlow are read, and damage is detected."""

import io
import random
import struct
import time

import pytest

from eas_processor.codecs.crc32c import crc32c, masked_crc32c
from eas_processor.codecs.tfrecord import DataLoss, read_records, write_record

# tf.io.TFRecordWriter wrote this: the records b"abc" and b"".
WRITTEN = bytes.fromhex("0300000000000000b099490e6162636e57f121000000000000000029039807d8ea82a2")


def read(content):
    return list(read_records(io.BytesIO(content)))


def bit_by_bit(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_known_checksums():
    # RFC 3720, B.4
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(b"") == 0


@pytest.mark.parametrize("size", [8191, 8192, 8193, 20007])
def test_long_data_has_the_same_checksum(size):
    data = bytes(random.Random(size).getrandbits(8) for _ in range(size))
    assert crc32c(data) == bit_by_bit(data)
    assert crc32c(memoryview(data)) == crc32c(bytearray(data))


def test_a_large_record_takes_no_seconds():
    # 0.1 s where it is idle; byte by byte it takes 2 s.
    begin = time.process_time()
    crc32c(bytes(19 << 20))
    assert time.process_time() - begin < 1


def test_what_tensorflow_wrote():
    assert read(WRITTEN) == [b"abc", b""]
    assert write_record(b"abc") + write_record(b"") == WRITTEN


def test_records_come_back():
    records = [b"", b"x", bytes(100000)]
    assert read(b"".join(map(write_record, records))) == records
    assert read(b"") == []


def test_damage_is_found():
    whole = write_record(b"one") + write_record(b"two")
    second = len(whole) // 2
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        with pytest.raises(DataLoss, match="corrupted record at %d" % (at // second * second)):
            read(bytes(damaged))


def test_each_cut_is_found():
    whole = write_record(b"one") + write_record(b"two")
    for stop in range(1, len(whole)):
        if stop != len(whole) // 2:
            with pytest.raises(DataLoss, match="truncated record at"):
                read(whole[:stop])


def test_what_is_no_tfrecord():
    with pytest.raises(DataLoss, match="corrupted record at 0"):
        read(b'{"instances": [1.0, 2.0, 5.0]}')
    with pytest.raises(DataLoss, match="corrupted record at 0: the file looks like gzip"):
        read(b"\x1f\x8b\x08" + bytes(20))
    length = struct.pack("<Q", 2**62)
    with pytest.raises(DataLoss, match="truncated record at 0"):
        read(length + struct.pack("<I", masked_crc32c(length)) + bytes(20))
