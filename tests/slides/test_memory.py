"""Room for decoded pixels."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from micromet_path.apps.samples import SamplePaths
from micromet_path.geometry import Region
from micromet_path.pipeline.reading import Buffers
from micromet_path.slides import open_slide
from micromet_path.slides.memory import room_for_pixels

SIDES = st.integers(1, 600)


@given(SIDES, SIDES)
def test_room_is_whole_and_its_first_row_is_no_vectors(rows: int, columns: int) -> None:
    room = room_for_pixels(rows, columns)
    room[...] = 7  # every byte is there
    assert room.shape == (rows, columns, 3)
    assert room.flags.c_contiguous
    assert room.ctypes.data % 16 == 8


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=5))
def test_a_buffer_that_is_used_again_begins_where_no_vector_does(shapes: list[tuple[int, int]]) -> None:
    buffers = Buffers()
    for shape in shapes:
        pixels = buffers.of(shape)
        assert pixels.shape == (*shape, 3)
        assert pixels.flags.c_contiguous
        assert pixels.ctypes.data % 16 == 8


def test_what_a_reader_gives_begins_where_no_vector_does(drawn: Callable[[str], SamplePaths]) -> None:
    with open_slide(drawn("default").slide) as slide:
        assert slide.read(Region(0, 0, 512, 256)).rgb.ctypes.data % 16 == 8
