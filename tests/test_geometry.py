"""What size images get, and how."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imgstage.errors import UsageError
from imgstage.geometry import Fit, Frame, MisfitError, Orient, SizeWish, read_scale, read_size

sides = st.integers(1, 6000)
sizes = st.tuples(sides, sides)
fits: st.SearchStrategy[Fit] = st.sampled_from(["stretch", "contain", "cover", "pad"])
orients: st.SearchStrategy[Orient] = st.sampled_from(["keep", "portrait", "landscape"])


def frame(wish: SizeWish, size: tuple[int, int]) -> Frame:
    return wish.frames([size])[0]


@pytest.mark.parametrize(
    ("wish", "size", "wished"),
    [
        (SizeWish(size=(1920, 1280), orient="portrait"), (4000, 6000), Frame(1920, 1280, True, (1920, 1280))),
        (SizeWish(size=(1920, 1280), orient="portrait"), (6000, 4000), Frame(1920, 1280, False, (1920, 1280))),
        (SizeWish(size=(100, 100), fit="contain"), (400, 200), Frame(100, 50, False, (100, 50))),
        (SizeWish(size=(100, 100), fit="cover"), (400, 200), Frame(100, 100, False, (200, 100), -50, 0)),
        (SizeWish(size=(100, 100), fit="pad"), (400, 200), Frame(100, 100, False, (100, 50), 0, 25)),
        (SizeWish(size=(100, 100), fit="pad"), (40, 20), Frame(100, 100, False, (40, 20), 30, 40)),
        (SizeWish(size=(100, 100), fit="contain"), (40, 20), Frame(40, 20, False, (40, 20))),
        (SizeWish(long_side=100), (400, 200), Frame(100, 50, False, (100, 50))),
        (SizeWish(long_side=100), (40, 20), Frame(40, 20, False, (40, 20))),
        (SizeWish(long_side=100, enlarge=True), (40, 20), Frame(100, 50, False, (100, 50))),
        (SizeWish(scale=Fraction(1, 2)), (401, 200), Frame(200, 100, False, (200, 100))),
        (SizeWish(multiple_of=32), (100, 65), Frame(96, 64, False, (96, 64))),
        (SizeWish(multiple_of=32, fit="pad"), (100, 65), Frame(128, 96, False, (100, 65), 14, 15)),
        (SizeWish(multiple_of=32, fit="cover"), (100, 65), Frame(96, 64, False, (100, 65), -2, -1)),
        (SizeWish(long_side=500, multiple_of=32), (1000, 700), Frame(480, 320, False, (480, 320))),
        (SizeWish(orient="landscape"), (600, 400), Frame(400, 600, True, (400, 600))),
    ],
)
def test_frames(wish: SizeWish, size: tuple[int, int], wished: Frame) -> None:
    assert frame(wish, size) == wished


@given(sizes, sizes, fits, orients, st.booleans())
def test_a_size_is_reached_or_stayed_within(
    box: tuple[int, int], size: tuple[int, int], fit: Fit, orient: Orient, enlarge: bool
) -> None:
    try:
        found = frame(SizeWish(size=box, fit=fit, orient=orient, enlarge=enlarge), size)
    except MisfitError as error:
        if "pixels an image may have" in str(error):  # cover may come to a scaled picture that is cut to nearly nothing
            return
        assert not enlarge
        assert fit in ("stretch", "cover")
        return
    there = size[::-1] if found.turned else size
    if fit == "contain":
        assert found.height <= box[0]
        assert found.width <= box[1]
    else:
        assert (found.height, found.width) == box
    if not enlarge:
        assert found.scaled[0] <= there[0]
        assert found.scaled[1] <= there[1]
    if fit == "cover":
        assert found.scaled[0] >= box[0]
        assert found.scaled[1] >= box[1]
    if fit == "pad":
        assert found.top >= 0 <= found.left
        assert found.top + found.scaled[0] <= box[0]
    assert orient != "portrait" or (there[0] >= there[1])


@given(sizes, st.integers(1, 64), st.sampled_from(["stretch", "cover", "pad"]))
def test_sides_become_divisible(size: tuple[int, int], step: int, fit: Fit) -> None:
    assume(min(size) >= step)
    found = frame(SizeWish(multiple_of=step, fit=fit), size)
    assert found.height % step == found.width % step == 0
    assert abs(found.height - size[0]) < step
    assert abs(found.width - size[1]) < step


def test_images_of_a_sample_get_one_geometry() -> None:
    assert len(set(SizeWish(long_side=100).frames([(4000, 3000), (4000, 2999)]))) == 1
    kept = SizeWish(long_side=5000).frames([(4000, 3000), (3999, 3000)])
    assert [(one.height, one.width) for one in kept] == [(4000, 3000), (3999, 3000)]
    halves = SizeWish(scale=Fraction(1, 2)).frames([(480, 320), (1920, 1280)])  # as in super-resolution
    assert [(one.height, one.width) for one in halves] == [(240, 160), (960, 640)]


@pytest.mark.parametrize(
    ("wish", "sizes"),
    [
        (SizeWish(scale=Fraction(1, 2), orient="portrait"), [(100, 101), (100, 100)]),
        (SizeWish(scale=Fraction(1, 2), orient="portrait"), [(100, 100), (100, 101)]),
        (SizeWish(scale=Fraction(1, 2), multiple_of=32), [(2048, 2048), (2046, 2048)]),
        (SizeWish(multiple_of=32), [(2048, 2048), (2046, 2048), (2048, 2047)]),
        (SizeWish(size=(50, 40), orient="landscape"), [(100, 101), (101, 100)]),
    ],
)
def test_images_of_nearly_one_size_get_the_very_same_geometry(wish: SizeWish, sizes: list[tuple[int, int]]) -> None:
    assert len(set(wish.frames(sizes))) == 1


def test_images_that_are_only_turned_are_turned_alike_and_keep_their_pixels() -> None:
    frames = SizeWish(orient="portrait").frames([(100, 101), (100, 100), (101, 100)])
    assert [frame.turned for frame in frames] == [True] * 3
    assert [frame.scaled for frame in frames] == [(101, 100), (100, 100), (100, 101)]
    assert [frame.turned for frame in SizeWish(orient="portrait").frames([(100, 100), (100, 101)])] == [False, False]


@pytest.mark.parametrize("fit", ["stretch", "cover", "pad"])
@pytest.mark.parametrize(
    ("sizes", "step"),
    [([(50, 50), (200, 200)], 32), ([(200, 300), (50, 75)], 32), ([(33, 65), (99, 195), (66, 130)], 8)],
)
def test_multiples_keep_the_scale_of_super_resolution(sizes: list[tuple[int, int]], step: int, fit: Fit) -> None:
    frames = SizeWish(multiple_of=step, fit=fit).frames(sizes)
    (small, least), *others = sorted(zip(sizes, frames, strict=True))
    assert least.height % step == least.width % step == 0
    for size, found in others:
        by = size[0] // small[0]
        assert found == least.times(by)
        assert (found.height, found.width) == (by * least.height, by * least.width)


def test_scales_keep_the_scale_of_super_resolution() -> None:
    small, large = SizeWish(scale=Fraction(1, 3)).frames([(50, 50), (200, 200)])
    assert (small.scaled, large.scaled) == ((17, 17), (68, 68))


def test_a_pair_in_super_resolution_is_turned_together() -> None:
    frames = SizeWish(scale=Fraction(1, 2), orient="portrait").frames([(100, 101), (400, 400)])
    assert [frame.turned for frame in frames] == [True, True]


@pytest.mark.parametrize("sizes", [[(20, 21), (83, 83)], [(83, 83), (20, 21)]])
def test_a_pixel_of_the_small_image_is_no_other_shape(sizes: list[tuple[int, int]]) -> None:
    assert len(SizeWish(scale=Fraction(1, 2)).frames(sizes)) == 2


def test_a_row_more_than_the_first_image_has_is_not_won_without_enlarge() -> None:
    kept = SizeWish(multiple_of=10, fit="pad").frames([(100, 100), (99, 100)])
    assert [frame.scaled for frame in kept] == [(100, 100), (100, 100)]
    with pytest.raises(MisfitError, match="enlarged"):
        SizeWish(size=(101, 100)).frames([(100, 100), (101, 100)])


def test_a_long_side_of_a_narrow_image_may_be_long() -> None:
    assert SizeWish(long_side=15_000).frames([(4000, 16_000)])[0].scaled == (3750, 15_000)


@pytest.mark.parametrize(
    ("wish", "of", "problem"),
    [
        (SizeWish(size=(50, 50)), [(100, 200), (200, 100)], "different shapes (100x200 and 200x100, height x width)"),
        (SizeWish(size=(50, 50)), [(100, 200), (100, 180)], "different shapes"),
        (SizeWish(size=(50, 50)), [(100, 40)], "100x40 (height x width) would be enlarged to 50x50; --enlarge allows"),
        (SizeWish(size=(300, 300)), [(600, 600), (200, 200)], "different sizes (600x600 and 200x200); --scale keeps"),
        (SizeWish(scale=Fraction(9), enlarge=True), [(9000, 9000)], "pixels an image may have"),
        (
            SizeWish(multiple_of=32),
            [(50, 50), (175, 175)],
            "different sizes (50x50 and 175x175), of which none divides",
        ),
        (SizeWish(multiple_of=32), [(100, 31)], "100x31 (height x width) is smaller than 32"),
    ],
)
def test_what_does_not_fit_is_said(wish: SizeWish, of: list[tuple[int, int]], problem: str) -> None:
    with pytest.raises(MisfitError) as raised:
        wish.frames(of)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    "wish",
    [
        SizeWish(),
        SizeWish(size=(0, 5)),
        SizeWish(size=(5, -5)),
        SizeWish(size=(50_000, 50_000)),
        SizeWish(long_side=200_000_001),
        SizeWish(multiple_of=32, fit="contain"),
        SizeWish(long_side=0),
        SizeWish(scale=Fraction(0)),
        SizeWish(scale=Fraction(-1)),
        SizeWish(scale=Fraction(2)),
        SizeWish(multiple_of=0),
        SizeWish(size=(5, 5), scale=Fraction(1, 2)),
        SizeWish(size=(5, 5), multiple_of=5),
    ],
)
def test_wishes_that_make_no_sense_are_refused(wish: SizeWish) -> None:
    with pytest.raises(UsageError):
        wish.check()


def test_sizes_and_scales_are_read() -> None:
    assert read_size("1920x1280") == (1920, 1280)
    assert read_size(" 5 X 7 ") == (5, 7)
    assert read_scale("50%") == read_scale("0.5") == read_scale("1/2") == Fraction(1, 2)
    for text in ("", "1920", "x", "axb", "1920x1280x3", "1e3x5"):
        with pytest.raises(UsageError):
            read_size(text)
    for text in ("half", "1/0", "nan", "1e5", "1e-99999999", "-1"):
        with pytest.raises(UsageError):
            read_scale(text)


def test_how_much_an_aspect_changes() -> None:
    found = frame(SizeWish(size=(100, 100)), (200, 400))
    assert found.distortion((200, 400)) == 2
    assert frame(SizeWish(size=(200, 100), orient="portrait"), (200, 400)).distortion((200, 400)) == 1
