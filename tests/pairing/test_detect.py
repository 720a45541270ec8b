"""Which rule explains a folder. The table holds the patterns that people's folders really have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgstage.errors import PairingError, UsageError
from imgstage.pairing import detect, read_all
from imgstage.pairing.rules import Template


def samples_of(paths: list[str], given: dict[str, dict[str, str]] | None = None) -> dict[str, dict[str, list[str]]]:
    """Paths by role, by key."""
    pairings = detect(paths, given or {})
    found: dict[str, dict[str, list[str]]] = {}
    for path, slot in read_all(pairings).items():
        found.setdefault(slot.name, {}).setdefault(slot.role, []).append(path)
    return found


def side_by_side(first: str, second: str, count: int = 12) -> list[tuple[str, str]]:
    """Pairs of names; `#` stands for the number."""
    return [(first.replace("#", f"{n:04d}"), second.replace("#", f"{n:04d}")) for n in range(1, count + 1)]


PAIRED = [
    # suffixes and infixes
    ("github_#_before.jpg", "github_#_after.jpg"),
    ("x-#-Before.JPG", "x-#-after.jpg"),
    ("#.input.png", "#.target.png"),
    ("# input.png", "# output.png"),
    ("a#_input.png", "a#_gt.png"),
    ("#_noisy.png", "#_clean.png"),
    ("#_noise.png", "#_clean.png"),
    ("#_lq.png", "#_gt.png"),
    ("#_LQ.png", "#_HQ.png"),
    ("#_lr.png", "#_hr.png"),
    ("#_low.png", "#_high.png"),
    ("#_low.png", "#_normal.png"),
    ("#_blur.png", "#_sharp.png"),
    ("#_rain.png", "#_norain.png"),
    ("#_rainy.png", "#_clean.png"),
    ("#_rain.png", "#_gt.png"),
    ("#_hazy.png", "#_clear.png"),
    ("#_hazy.jpg", "#_GT.jpg"),
    ("#_degraded.png", "#_clean.png"),
    ("#_dark.png", "#_light.png"),
    ("#_raw.png", "#_edited.png"),
    ("#_src.png", "#_dst.png"),
    ("#_shadow.png", "#_free.png"),
    ("#_A.png", "#_B.png"),
    ("scene_#_real.JPG", "scene_#_mean.JPG"),
    ("Canon-R-#.png", "Canon-C-#.png"),
    ("0001_NOISY_SRGB_#.PNG", "0001_GT_SRGB_#.PNG"),
    ("before_#.jpg", "after_#.jpg"),
    # glued
    ("low#.png", "normal#.png"),
    ("rain-#.png", "norain-#.png"),
    # super-resolution
    ("#x4.png", "#.png"),
    # parallel folders, extensions may differ
    ("A/#.jpg", "B/#.png"),
    ("trainA/#.jpg", "trainB/#.jpg"),
    ("A/#.jpg", "GTr_A/#.jpg"),
    ("input/#.jpg", "target/#.jpg"),
    ("lq/#.png", "gt/#.png"),
    ("LR/#.png", "HR/#.png"),
    ("LR/#x2.png", "HR/#.png"),
    ("blur/#.png", "sharp/#.png"),
    ("rainy/#.png", "gt/#.png"),
    ("hazy/#.png", "clear/#.png"),
    ("low/#.png", "high/#.png"),
    ("set/input/#.jpg", "set/target/#.jpg"),
    # one folder a scene
    ("#_x/noisy.png", "#_x/clean.png"),
    ("scenes/#/blur/frame.png", "scenes/#/sharp/frame.png"),
    # what tools add to names
    ("3fa85f64-x#_before.jpg", "x#_after.jpg"),
    ("x#_before (1).jpg", "x#_after.jpg"),
    ("x#_before copy.jpg", "x#_after.jpg"),
]


@pytest.mark.parametrize(("first", "second"), PAIRED)
def test_before_and_after_are_paired_one_to_one(first: str, second: str) -> None:
    expected = side_by_side(first, second)
    found = samples_of([path for pair in expected for path in pair])
    assert sorted((roles["before"], roles["after"]) for roles in found.values()) == sorted(
        ([b], [a]) for b, a in expected
    )


MASKED = [
    ("#.jpg", "#_mask.png"),
    ("#.jpg", "#_seg.png"),
    ("#.jpg", "#_label.png"),
    ("#.jpg", "#_labels.png"),
    ("images/#.jpg", "masks/#.png"),
    ("imgs/#.jpg", "masks/#_mask.png"),
    ("images/#.jpg", "labels/#.png"),
    ("images/#.jpg", "annotations/#.png"),
    ("JPEGImages/#.jpg", "SegmentationClass/#.png"),
    ("imagesTr/case_#_0000.png", "labelsTr/case_#.png"),
    ("train/#.jpg", "train_masks/#_mask.png"),
]


@pytest.mark.parametrize(("first", "second"), MASKED)
def test_image_and_mask_are_paired_one_to_one(first: str, second: str) -> None:
    expected = side_by_side(first, second)
    found = samples_of([path for pair in expected for path in pair])
    assert sorted((roles["image"], roles["mask"]) for roles in found.values()) == sorted(
        ([i], [m]) for i, m in expected
    )


def test_one_folder_a_scene_holds_an_image_and_many_masks() -> None:
    paths = [f"{scene:02d}/images/{scene}.png" for scene in range(8)]
    masks = [f"{scene:02d}/masks/m{scene}{n}.png" for scene in range(8) for n in range(scene + 1)]
    found = samples_of(paths + masks)
    assert {key: (len(roles["image"]), len(roles["mask"])) for key, roles in found.items()} == {
        f"{scene:02d}": (1, scene + 1) for scene in range(8)
    }


def test_many_hazy_images_go_with_one_clear_image() -> None:
    hazy = [f"hazy/{n:04d}_0.{a}_0.{b}.jpg" for n in range(1, 6) for a, b in ((8, 2), (9, 1))]
    found = samples_of(hazy + [f"clear/{n:04d}.png" for n in range(1, 6)])
    assert {key: (len(roles["before"]), len(roles["after"])) for key, roles in found.items()} == {
        f"{n:04d}": (2, 1) for n in range(1, 6)
    }


def test_a_key_is_never_the_beginning_of_another() -> None:
    pairs = side_by_side("github_#_before.jpg", "github_#_after.jpg", 0)
    pairs += [(f"github_{n}_before.jpg", f"github_{n}_after.jpg") for n in (1, 10, 11, 100, 2, 20)]
    found = samples_of([path for pair in pairs for path in pair])
    assert {key: sum(map(len, roles.values())) for key, roles in found.items()} == {
        f"github_{n}": 2 for n in (1, 10, 11, 100, 2, 20)
    }


def test_case_may_differ_within_a_pair_and_an_orphan_stays_alone() -> None:
    paths = [f"Cam{n}_x_{'Real' if n % 2 else 'real'}.JPG" for n in range(8)]
    paths += [f"Cam{n}_x_mean.JPG" for n in range(8)] + ["Cam99_water_mean.JPG"]
    (pairing,) = detect(paths, {})
    assert (pairing.explained, pairing.images) == (16, 17)
    assert pairing.rule.guessed
    assert samples_of(paths)["Cam99_water"] == {"after": ["Cam99_water_mean.JPG"]}


LONE = [
    [f"{label}/{n}.jpg" for label in ("cat", "dog", "A", "B", "C") for n in range(9)],
    [f"{label}/{n}.jpg" for label in ("real", "fake") for n in range(9)],
    [f"video{v}/img{n:04d}.png" for v in range(3) for n in range(9)],
    [f"IMG_{n}.JPG" for n in range(30)] + ["IMG_3_mask.png"],
    [f"letters/{letter}.png" for letter in "abcdefgh"],
    ["3.jpg", "3.png", "4.jpg"],
]


@pytest.mark.parametrize("paths", LONE)
def test_lone_images_stay_lone(paths: list[str]) -> None:
    pairings = detect(paths, {})
    assert all(pairing.rule.is_lone for pairing in pairings)
    slots = list(read_all(pairings).values())
    assert len({slot.sample for slot in slots}) == len(paths)


def test_a_rule_that_explains_little_is_named_but_not_used() -> None:
    paths = [f"IMG_{n}.jpg" for n in range(40)] + ["x_before.jpg", "x_after.jpg"]
    (pairing,) = detect(paths, {})
    assert pairing.rule.is_lone
    assert pairing.passed_over is not None
    assert pairing.passed_over.texts() == {"before": "{key}_before", "after": "{key}_after"}


@pytest.mark.parametrize("paired", [2, 4, 16, 18])
def test_the_border_between_lone_images_asking_and_using_a_rule(paired: int) -> None:
    """Of 20 images, up to 2 in pairs are lone, from 18 on the rule is used, between is refused with both readings."""
    paths = [f"x{n}_{role}.jpg" for n in range(paired // 2) for role in ("before", "after")]
    paths += [f"IMG_{n}.jpg" for n in range(20 - paired)]
    if paired in (4, 16):
        with pytest.raises(PairingError) as error:
            detect(paths, {})
        assert f"{paired} of 20 images" in str(error.value)
        assert '[pairing."."]\nbefore = "{key}_before"\nafter = "{key}_after"\n' in str(error.value)
        assert '[pairing."."]\nimage = "{key}"\n' in str(error.value)
    else:
        (pairing,) = detect(paths, {})
        assert pairing.rule.is_lone is (paired == 2)


def test_a_given_rule_goes_before_what_the_names_say() -> None:
    paths = [f"x{n}_{role}.jpg" for n in range(9) for role in ("before", "after")]
    assert len(samples_of(paths, {".": {"image": "{key}"}})) == 18
    swapped = samples_of(paths, {"": {"after": "{key}_before", "before": "{key}_after"}})
    assert swapped["x3"] == {"before": ["x3_after.jpg"], "after": ["x3_before.jpg"]}


@pytest.mark.parametrize("template", ["before", "{key}{key}", "{id}_before", "{}", "{key}_{tail}_{tail}"])
def test_a_template_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(UsageError, match="no template"):
        detect(["x.jpg"], {"": {"before": template, "after": "{key}"}})


def test_names_are_compared_as_file_systems_compare_them() -> None:
    """NFC and NFD spellings, and other cases, are one key."""
    paths = ["caf\u00e9_before.jpg", "cafe\u0301_after.jpg", "STRASSE_before.jpg", "stra\u00dfe_after.jpg"]
    assert {slot.identity for slot in read_all(detect(paths, {})).values()} == {"caf\u00e9", "strasse"}


def test_the_order_of_the_paths_does_not_matter() -> None:
    paths = [f"{folder}/{n}.png" for folder in ("A", "GTr_A", "cats") for n in range(7)]
    assert detect(paths, {}) == detect(reversed(paths), {})


@given(st.text("abAB_-.é/", max_size=12), st.sampled_from(["_b", "-A", "", "_é", "."]))
def test_the_short_way_to_a_key_finds_what_the_long_way_finds(stem: str, ending: str) -> None:
    template = Template("{key}" + ending)
    assert template.key(stem) == next(template.keys(stem), None)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/#.png", "masks/#/@.png"),
        ("JPEGImages/#.jpg", "SegmentationObject/#/@.png"),
        ("#/image.png", "#/masks/@.png"),
        ("set/#/image.png", "set/#/masks/@.png"),
        ("#.png", "#_mask_@.png"),
        ("#_image.png", "#_mask_@.png"),
        ("images/#.png", "masks/#_@.png"),
        ("#/images/#.png", "#/masks/@.png"),
    ],
)
def test_an_image_may_have_many_masks(image: str, mask: str) -> None:
    paths = [image.replace("#", f"s{n:02d}") for n in range(14)]
    paths += [mask.replace("#", f"s{n:02d}").replace("@", str(m)) for n in range(14) for m in range(1 + n % 3)]
    found = samples_of(paths)
    assert len(found) == 14
    assert [len(roles["mask"]) for _, roles in sorted(found.items())] == [1 + n % 3 for n in range(14)]
    assert all(len(roles["image"]) == 1 for roles in found.values())


@pytest.mark.parametrize(
    "names",
    [
        ["images/x{}.png", "images/x{}.jpg", "masks/x{}.png"],
        ["x{}_before.png", "x{}_before.jpg", "x{}_after.png"],
        ["x{}_before.png", "x{}_before.jpg", "x{}_after.png", "x{}_after.webp"],
    ],
)
@pytest.mark.parametrize("whole", [0, 2, 6])
def test_pairs_of_which_one_half_is_there_in_two_formats_are_no_lone_images(names: list[str], whole: int) -> None:
    """Which of the two belongs to the other half, nobody can say: then the samples are held, and none is torn."""
    paths = [name.format(number) for number in range(12) for name in names]
    paths += [name.format(number) for number in range(20, 20 + whole) for name in (names[0], names[2])]
    (pairing,) = detect(paths, {})
    assert not pairing.rule.is_lone
    assert pairing.explained == 2 * whole
