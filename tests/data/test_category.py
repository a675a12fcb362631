"""Categories have an id, a name and a colour of their own."""

from __future__ import annotations

import pytest

from unseg_studio.data import PALETTE, Category, new_category


def test_new_categories_take_the_lowest_free_id():
    first, third = Category(1, "cell", "#ff0000"), Category(3, "dirt", "#00ff00")
    assert new_category([]).id == 1
    assert new_category([first, third]) == Category(2, "category 2", PALETTE[1])
    assert new_category([first, third], " sky ", "stuff") == Category(2, "sky", PALETTE[1], "stuff")


def test_a_name_of_its_own_is_found_where_the_usual_one_is_taken():
    assert new_category([Category(2, "category 1", "#ff0000")]).name == "category 2"


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="category 'cell' already; choose another name"):
        new_category([Category(1, "cell", "#ff0000")], "cell ")


def test_ids_run_out_at_a_thousand():
    everyone = [Category(i, f"c{i}", "#000000") for i in range(1, 1001)]
    with pytest.raises(ValueError, match="remove one first"):
        new_category(everyone)
    assert new_category(everyone[:-1]).id == 1000


@pytest.mark.parametrize("color", ["", "red", "#12345", "#12345g", "1234567", "#1234567"])
def test_colours_that_are_none_are_refused(color):
    with pytest.raises(ValueError, match="accepted is #rrggbb"):
        Category(1, "cell", color)


@pytest.mark.parametrize(
    ("id_", "name", "kind"),
    [(0, "a", "thing"), (1001, "a", "thing"), (1, " ", "thing"), (1, "a", "beast")],
)
def test_impossible_categories_are_refused(id_, name, kind):
    with pytest.raises(ValueError, match=r"accepted|give it one"):
        Category(id_, name, "#000000", kind)


def test_colours_are_three_numbers_too():
    assert Category(1, "a", "#0a80Ff").rgb == (10, 128, 255)


def test_the_palette_is_of_distinct_colours():
    assert len({Category(1, "a", color).rgb for color in PALETTE}) == len(PALETTE)
