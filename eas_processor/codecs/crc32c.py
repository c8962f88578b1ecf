"""
Compute CRC-32C (Castagnoli), the checksum of TFRecords, with numpy alone.

A loop over bytes takes 0.1 us a byte. Long data is cut into lanes, and numpy computes all lanes at
once, two bytes at a time. CRCs are linear: the CRC of the whole is the XOR of the CRCs of its
parts, each of them shifted by the length of the data that follows.
"""

from functools import lru_cache
from typing import Any, List

import numpy as np

_POLYNOMIAL = 0x82F63B78
_SHORT = 8192
_BITS = np.arange(32, dtype=np.uint32)


def _table() -> List[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()


def crc32c(data: Any) -> int:
    """Return the checksum of a buffer of bytes."""
    if len(data) >= _SHORT:
        return _crc_of_long(data)
    crc = 0xFFFFFFFF
    for byte in bytes(data):
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: Any) -> int:
    """Return the checksum in the form of TFRecords: rotated, with a constant added."""
    crc = crc32c(data)
    return (crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8 & 0xFFFFFFFF


def _crc_of_long(data: Any) -> int:
    lanes = 1 << max(5, (len(data) // 2).bit_length() // 2)
    steps = -(-len(data) // (2 * lanes))
    padded = np.zeros(2 * lanes * steps, np.uint8)
    begin = len(padded) - len(data)  # leading zeros do not change the CRC
    padded[begin:] = np.frombuffer(data, np.uint8)
    padded[begin : begin + 4] ^= np.uint8(0xFF)  # equals an initial CRC of all ones
    table, low, half = _pair_table(), np.uint32(0xFFFF), np.uint32(16)
    crcs = np.zeros(lanes, np.uint32)
    for pairs in np.ascontiguousarray(padded.view("<u2").reshape(lanes, steps).T):
        crcs = table[(crcs ^ pairs) & low] ^ (crcs >> half)
    move = _mover(2 * steps)
    while len(crcs) > 1:
        crcs = _apply(move, crcs[::2]) ^ crcs[1::2]
        move = _apply(move, move)
    return int(crcs[0]) ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _pair_table() -> "np.ndarray[Any, Any]":
    """Return the CRCs of all 65,536 pairs of bytes."""
    table = np.array(_TABLE, np.uint32)
    low, eight = np.uint32(0xFF), np.uint32(8)
    crcs = np.arange(65536, dtype=np.uint32)
    for _ in range(2):
        crcs = table[crcs & low] ^ (crcs >> eight)
    return crcs


# A file has few distinct sizes of records.
@lru_cache(maxsize=64)
def _mover(length: int) -> "np.ndarray[Any, Any]":
    """Return, for each bit of a CRC, its value after `length` further zero bytes."""
    table, low, eight = np.array(_TABLE, np.uint32), np.uint32(0xFF), np.uint32(8)
    bits = np.uint32(1) << _BITS
    by_one = table[bits & low] ^ (bits >> eight)
    moved = bits
    while length:
        if length & 1:
            moved = _apply(by_one, moved)
        by_one = _apply(by_one, by_one)
        length >>= 1
    return moved


def _apply(move: "np.ndarray[Any, Any]", crcs: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Shift each of the CRCs by the matrix `move`."""
    chosen = (crcs[:, None] >> _BITS & np.uint32(1)) * move
    moved: "np.ndarray[Any, Any]" = np.bitwise_xor.reduce(chosen, axis=1)
    return moved
