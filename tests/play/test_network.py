"""How a network is asked: its multiples, its task, how far it sees; pictures of any size, whole and in tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imgstage import DefectError, UsageError
from imgstage.play import Network, Tiling
from imgstage.play.pixels import Source
from imgstage.play.tiles import BLEND

from ..helpers import photo
from .doubles import Engine, Numbers, blur, invert, network


def asked(of: Network, picture: NDArray[Any]) -> Numbers:
    return np.concatenate(list(of.stripes(picture)))


def test_what_is_not_said_is_asked() -> None:
    found = network(Engine(invert, multiple=12))
    assert (found.task, found.multiple, found.scale, found.outputs) == ("image-to-image", 12, 1, 3)
    said = network(Engine(invert, multiple=4), size_multiple=8)
    assert said.multiple == 8


@pytest.mark.parametrize(
    ("channels", "made", "task"),
    [("RGB", 3, "image-to-image"), ("L", 1, "image-to-image"), ("L", 3, "image-to-image"), ("RGB", 5, "segmentation")],
)
def test_the_task_is_told_by_the_channels(channels: str, made: int, task: str) -> None:
    engine = Engine(lambda images: np.repeat(images[..., :1], made, axis=3))
    assert network(engine, channels=channels).task == task


def test_one_channel_of_three_may_mean_two_things_so_it_is_for_the_user_to_say() -> None:
    engine = Engine(lambda images: images[..., :1])
    with pytest.raises(UsageError, match="a grey picture, or a mask"):
        network(engine)
    assert network(engine, task="segmentation").outputs == 1
    assert network(engine, task="image-to-image").outputs == 1


def test_rows_of_values_are_classes() -> None:
    found = network(Engine(lambda images: images.mean(axis=(1, 2))))
    assert (found.task, found.outputs) == ("classification", 3)
    with pytest.raises(UsageError, match="none for segmentation"):
        network(Engine(lambda images: images.mean(axis=(1, 2))), task="segmentation")


def test_a_network_that_refuses_all_says_why() -> None:
    def refuse(_: Numbers) -> Numbers:
        message = "expected 4 channels"
        raise RuntimeError(message)

    with pytest.raises(UsageError, match="cannot be run on RGB images, of whatever size: RuntimeError: expected 4"):
        network(Engine(refuse))


@pytest.mark.parametrize("cut", [slice(2, -2), slice(None, None, 2)])
def test_a_network_whose_answers_are_smaller_is_told_what_is_wanted(cut: slice) -> None:
    with pytest.raises(UsageError, match=r"its answer has the shape.*It must give back what is as large as its images"):
        network(Engine(lambda images: images[:, cut, cut]))


def test_of_a_size_that_was_written_down_all_pictures_are_made() -> None:
    def only_96(images: Numbers) -> Numbers:
        if images.shape[1:3] != (96, 96):
            message = "it takes 96x96"
            raise ValueError(message)
        return 1 - images

    found = network(Engine(only_96), size=(96, 96))
    for size in ((10, 12), (96, 96), (200, 150)):
        picture = photo("astronaut")[: size[0], : size[1]]
        assert asked(found, picture) == pytest.approx(1 - picture / 255, abs=1e-6)
    with pytest.raises(UsageError, match="double takes 96x96"):
        network(Engine(only_96), Tiling((128, 128)), size=(96, 96))
    with pytest.raises(UsageError, match=r"of the sizes that were tried, 224x224 alone.*Write size = .224, 224."):
        network(Engine(invert_of_224))


def invert_of_224(images: Numbers) -> Numbers:
    if images.shape[1:3] != (224, 224):
        message = "it takes 224x224"
        raise ValueError(message)
    return 1 - images


def test_what_helps_where_memory_runs_out_is_told() -> None:
    def run_out(images: Numbers) -> Numbers:
        if images.shape[1] > 300:
            message = "can't allocate memory"
            raise RuntimeError(message)
        return images

    large = Source(np.zeros((512, 512, 3), np.uint8), None, b"")
    with pytest.raises(DefectError, match="a smaller --tile helps"):
        list(network(Engine(run_out)).ask(large))
    with pytest.raises(DefectError, match=r"size = .height, width. in model.toml helps"):
        list(network(Engine(lambda images: run_out(images).mean(axis=(1, 2)))).ask(large))


def test_sizes_that_come_out_smaller_are_not_taken_for_safe() -> None:
    """Some networks take any size, and round it down without a word."""

    def round_down(images: Numbers) -> Numbers:
        height, width = (side // 8 * 8 for side in images.shape[1:3])
        return images[:, :height, :width]

    found = network(Engine(round_down))
    assert found.multiple == 8
    assert asked(found, photo("astronaut")[:61, :83]).shape == (61, 83, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (61, 83), (64, 96)])
def test_any_size_goes_in_and_comes_out_at_its_own(size: tuple[int, int]) -> None:
    engine = Engine(invert, multiple=16)
    picture = photo("astronaut")[: size[0], : size[1]]
    made = asked(network(engine), picture)
    assert made == pytest.approx(1 - picture / 255, abs=1e-6)


def test_what_is_added_at_the_edges_is_mirrored() -> None:
    seen: list[Numbers] = []

    def watched(images: Numbers) -> Numbers:
        seen.append(images)
        return images

    engine = Engine(watched, multiple=8)
    picture = photo("camera")[:6, :8, None]
    asked(network(engine, channels="L"), picture)
    assert seen[-1][0, 6:, :, 0] * 255 == pytest.approx(picture[5:3:-1, :, 0], abs=1e-4)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_tiles_are_the_whole_picture(scale: int) -> None:
    def enlarge(images: Numbers) -> Numbers:
        return blur(9)(images).repeat(scale, axis=1).repeat(scale, axis=2)

    picture = photo("astronaut")[:301, :283]
    whole = asked(network(Engine(enlarge, multiple=4)), picture)
    cut = network(Engine(enlarge, multiple=4), Tiling((96, 128)))
    assert cut.scale == scale
    assert whole.shape == (301 * scale, 283 * scale, 3)
    assert np.abs(asked(cut, picture) - whole).max() < 1e-5
    assert cut.reach == 4
    assert cut.tiles_agree


def test_with_too_small_an_overlap_they_are_not() -> None:
    """Else the test above could not fail."""
    picture = photo("astronaut")[:300, :300]
    whole = asked(network(Engine(blur(41))), picture)
    assert np.abs(asked(network(Engine(blur(41)), Tiling((128, 128), 0)), picture) - whole).max() > 0.02
    assert np.abs(asked(network(Engine(blur(41)), Tiling((128, 128))), picture) - whole).max() < 1e-5


def test_a_network_that_sees_all_of_a_picture_is_found_out() -> None:
    engine = Engine(lambda images: images - images.mean(axis=(1, 2), keepdims=True))
    found = network(engine, Tiling((256, 256)))
    asked(found, photo("astronaut"))
    assert found.reach is None
    assert not found.tiles_agree


def test_tiles_go_in_together() -> None:
    engine = Engine(invert)
    picture = photo("astronaut")[:300, :300]
    found = network(engine, Tiling((128, 128), 0), batch=3)
    assert found.reach == 0
    engine.shapes.clear()
    made = asked(found, picture)
    assert made == pytest.approx(1 - picture / 255, abs=1e-6)
    assert engine.shapes == [(3, 128, 128, 3)] * 3


def test_of_one_size_alone_all_pictures_are_made() -> None:
    engine = Engine(invert, size=(64, 80), batch=2)
    for size in ((10, 12), (64, 80), (200, 100)):
        picture = photo("astronaut")[: size[0], : size[1]]
        assert asked(network(engine), picture) == pytest.approx(1 - picture / 255, abs=1e-6)
    assert {shape[:3] for shape in engine.shapes} == {(2, 64, 80)}


@pytest.mark.parametrize("size", [(100, 512), (512, 100)])
def test_a_side_that_is_not_cut_does_not_limit_what_tiles_share(size: tuple[int, int]) -> None:
    """As of panoramas, whose tiles are as high as they are."""
    picture = np.tile(photo("astronaut"), (2, 2, 1))[: size[0], : size[1]]
    cut = network(Engine(blur(121)), Tiling((100, 256) if size[0] == 100 else (256, 100)))
    assert np.abs(asked(cut, picture) - asked(network(Engine(blur(121)), Tiling((0, 0))), picture)).max() < 1e-5
    assert cut.tiles_agree


def test_tiles_of_a_network_of_one_small_size_are_an_error_of_the_picture_alone() -> None:
    found = network(Engine(invert, size=(32, 32)))
    assert asked(found, photo("astronaut")[:20, :32]).shape == (20, 32, 3)
    with pytest.raises(DefectError, match="larger than the network takes, and tiles of 32 pixels a side are too small"):
        asked(found, photo("astronaut"))


@pytest.mark.parametrize("tile", [(128, 128), (0, 0)])
def test_a_network_of_one_size_takes_no_wish_of_another(tile: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"--tile (none|128x128) cannot be: double takes 64x80 .*Leave --tile out"):
        network(Engine(invert, size=(64, 80)), Tiling(tile))
    assert network(Engine(invert, size=(64, 80)), Tiling((64, 80))).tile_for((300, 300)) == (64, 80)


def test_what_changes_little_shows_farther_when_all_of_it_changes() -> None:
    assert network(Engine(blur(201))).reach == 100, "of noise, a column more or less makes no difference that shows"


def test_tiles_agree_from_where_they_share_all_that_the_network_sees_and_what_is_blended() -> None:
    for overlap, agree in ((2 * 20 + BLEND - 1, False), (2 * 20 + BLEND, True)):
        found = network(Engine(blur(41)), Tiling((128, 128), overlap))
        asked(found, photo("astronaut")[:300, :300])
        assert found.tiles_agree == agree


def test_memory_is_shared_by_a_batch() -> None:
    height, width = network(Engine(invert), batch=4).tile_for((3456, 5184))
    assert height * width <= 512**2 / 4


def test_how_pictures_are_cut_is_part_of_what_results_are_known_by() -> None:
    signatures = {network(Engine(invert), tiling).signature for tiling in (None, Tiling((64, 64)), Tiling(None, 8))}
    assert len(signatures) == 3


def test_without_a_tracer_large_pictures_go_in_small_tiles() -> None:
    found = network(Engine(invert))
    assert found.tile_for((512, 512)) == (512, 512)
    height, width = found.tile_for((3456, 5184))
    assert height * width <= 512**2


def test_none_never_cuts() -> None:
    assert network(Engine(invert), Tiling((0, 0))).tile_for((3456, 5184)) == (3456, 5184)


def test_a_tile_that_does_not_go_is_refused_with_the_nearest_that_do() -> None:
    with pytest.raises(UsageError, match=r"--tile 130x128 is no multiple of 16.*128x128 and 144x128"):
        network(Engine(invert, multiple=16), Tiling((130, 128)))
    with pytest.raises(UsageError, match="too small to overlap by 100"):
        network(Engine(invert), Tiling((128, 128), 100))


def test_what_are_no_numbers_are_told_and_not_written_as_black() -> None:
    made = network(Engine(lambda images: np.where(images > 0.9, np.nan, images)))
    asked(made, np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(DefectError, match="no finite numbers"):
        asked(made, np.full((32, 32, 3), 255, np.uint8))


def test_a_network_that_fails_for_one_picture_says_so() -> None:
    def fail(images: Numbers) -> Numbers:
        if images.max() > 0.9:
            message = "index out of range"
            raise IndexError(message)
        return images

    with pytest.raises(DefectError, match=r"refuses it .IndexError: index out of range"):
        asked(network(Engine(fail)), np.full((32, 32, 3), 255, np.uint8))


def test_pictures_to_be_classified_are_resized_where_a_size_is_known() -> None:
    engine = Engine(lambda images: images.mean(axis=(1, 2)))
    found = network(engine, size=(20, 30))
    pixels = np.full((50, 70, 3), (255, 0, 51), np.uint8)
    (made,) = found.ask(Source(pixels, None, b""))
    assert engine.shapes[-1] == (1, 20, 30, 3)
    assert made == pytest.approx([1, 0, 0.2], abs=1e-3)


def shifted(by: int, axis: int) -> Any:
    """Each pixel becomes the one so many rows or columns before it."""

    def shift(images: Numbers) -> Numbers:
        padded = np.pad(images, [(0, 0), *((abs(by) * (axis == of),) * 2 for of in (0, 1)), (0, 0)])
        moved = np.roll(padded, by, axis=axis + 1)
        inner = tuple(slice(abs(by), -abs(by)) if axis == of else slice(None) for of in (0, 1))
        made: Numbers = moved[:, inner[0], inner[1]]
        return made

    return shift


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("by", [-20, 20])
def test_how_far_a_network_sees_is_measured_to_all_sides(axis: int, by: int) -> None:
    found = network(Engine(shifted(by, axis)), Tiling((128, 128)))
    picture = photo("astronaut")[:300, :300]
    assert found.reach == 20
    assert np.abs(asked(found, picture) - asked(network(Engine(shifted(by, axis))), picture)).max() < 1e-6


def test_tiles_that_share_too_little_are_said_not_to_agree() -> None:
    picture = photo("astronaut")[:300, :300]
    for tiling in (Tiling((128, 128), 8), Tiling((64, 64))):
        found = network(Engine(blur(41)), tiling)
        asked(found, picture)
        assert not found.tiles_agree
    found = network(Engine(blur(41)), Tiling((128, 128), 60))
    asked(found, picture)
    assert found.tiles_agree


def test_a_network_that_does_not_tell_how_far_it_sees_is_taken_to_see_all() -> None:
    def choosy(images: Numbers) -> Numbers:
        if images.shape[1] == 512 or images.shape[2] == 512:
            message = "too large"
            raise RuntimeError(message)
        centred: Numbers = images - images.mean(axis=(1, 2), keepdims=True)
        return centred

    found = network(Engine(choosy), Tiling((256, 256)))
    asked(found, photo("astronaut")[:400, :400])
    assert (found.reach, found.tiles_agree) == (None, False)


@pytest.mark.parametrize("tiling", [Tiling((0, 0)), Tiling((64, 64), 0)])
def test_what_comes_out_at_another_size_is_refused(tiling: Tiling) -> None:
    """Asked at a size that divides, all was well."""
    engine = Engine(lambda images: images[:, : images.shape[1] // 8 * 8, : images.shape[2] // 8 * 8])
    found = network(engine, Tiling(None if tiling.tile == (64, 64) else tiling.tile), size_multiple=1)
    with pytest.raises(DefectError, match=r"gives 1x80x56x3 for 1x83x61; --multiple may help"):
        asked(found, photo("astronaut")[:83, :61])


def test_infinities_are_told() -> None:
    made = network(Engine(lambda images: np.where(images > 0.9, np.inf, images)))
    with pytest.raises(DefectError, match="no finite numbers"):
        asked(made, np.full((32, 32, 3), 255, np.uint8))


def test_a_network_that_fills_images_up_by_itself_is_cut_where_its_pixels_halve() -> None:
    def pooled(images: Numbers) -> Numbers:
        height, width = images.shape[1:3]
        filled = np.pad(images, ((0, 0), (0, -height % 16), (0, -width % 16), (0, 0)), mode="edge")
        tall, wide = filled.shape[1] // 16, filled.shape[2] // 16
        means = filled.reshape(len(images), tall, 16, wide, 16, -1).mean(axis=(2, 4))
        made: Numbers = means.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
        return made

    picture = photo("astronaut")[:301, :283]
    found = network(Engine(pooled), Tiling((96, 96)))
    assert found.multiple == 16
    assert np.abs(asked(found, picture) - asked(network(Engine(pooled)), picture)).max() < 1e-6


def test_answers_for_fewer_images_are_refused() -> None:
    found = network(Engine(lambda images: images[:1]), Tiling((128, 128), 0), batch=2)
    with pytest.raises(DefectError, match="gives 1x128x128x3 for 2x128x128"):
        asked(found, photo("astronaut")[:300, :300])


def test_who_leaves_in_the_middle_is_told_as_any_failure() -> None:
    def leave(images: Numbers) -> Numbers:
        if images.max() > 0.9:
            raise SystemExit(5)
        return images

    with pytest.raises(DefectError, match="SystemExit: 5"):
        asked(network(Engine(leave)), np.full((32, 32, 3), 255, np.uint8))


def test_why_no_size_goes_is_told_by_the_answer() -> None:
    with pytest.raises(UsageError, match=r"its answer has the shape \(1, 509, 512, 3\)"):
        network(Engine(lambda images: images[:, :-3]))
