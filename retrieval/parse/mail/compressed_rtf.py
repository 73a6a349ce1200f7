"""Outlook's compressed Rich Text Format: runs of up to 17 bytes that stood within the last 4 KB are references."""

from __future__ import annotations

import struct

MAX_BYTES = 64_000_000
"""Bytes of the text at most."""

_HEAD = struct.Struct("<IIII")
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_WINDOW = 4096
_BEFORE = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier"
    rb"{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
"""What the window holds at first."""


def decompressed(data: bytes) -> bytes:
    """Return the text.

    :raises ValueError: it is damaged or too large.
    """
    if len(data) < _HEAD.size:
        raise ValueError("its rich text is cut")
    _, size, kind, _ = _HEAD.unpack_from(data)
    if size > MAX_BYTES:
        raise ValueError(f"its rich text has more than {MAX_BYTES // 1_000_000} MB")
    if kind == _PLAIN:
        return data[_HEAD.size : _HEAD.size + size]
    if kind != _COMPRESSED:
        raise ValueError("its rich text is compressed in an unknown way")
    return _expanded(data, size)


def _expanded(data: bytes, size: int) -> bytes:
    found = bytearray(_BEFORE)
    end, at = len(_BEFORE) + size, _HEAD.size
    while at < len(data) and len(found) < end:
        flags = data[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1 == 0:
                found += data[at : at + 1]
                at += 1
                continue
            reference = int.from_bytes(data[at : at + 2], "big")
            at += 2
            start, length = reference >> 4, (reference & 15) + 2
            place = len(found) - (len(found) - start) % _WINDOW
            if place == len(found) or at > len(data):  # a reference to the place itself ends the text
                return bytes(found[len(_BEFORE) : end])
            for _ in range(length):
                found.append(found[place] if place >= 0 else 0x20)
                place += 1
    return bytes(found[len(_BEFORE) : end])
