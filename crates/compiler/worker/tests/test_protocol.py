"""Frames."""

from __future__ import annotations

import os

from warpbook_worker.protocol import read_frame, write_frame


def test_frames_come_back_as_they_went() -> None:
    reader, writer = os.pipe()
    write_frame(writer, {"id": 7, "text": "ünï\n"})
    write_frame(writer, [])
    os.close(writer)
    assert read_frame(reader) == {"id": 7, "text": "ünï\n"}
    assert read_frame(reader) == []
    assert read_frame(reader) is None


def test_a_frame_that_is_cut_off_is_the_end() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"\x05\x00\x00\x00{}")
    os.close(writer)
    assert read_frame(reader) is None
