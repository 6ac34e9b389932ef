"""The tree: codes that last, paths that follow."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction

from apps.categories.inference.taxonomy import codes_for_paths
from apps.categories.models import Category, CategoryCodeError

pytestmark = pytest.mark.django_db


@pytest.fixture
def branch() -> tuple[Category, Category, Category]:
    tools = Category.objects.create(name="Tools")
    drills = Category.objects.create(name="Drills & Co", parent=tools)
    return tools, drills, Category.objects.create(name="18 V", parent=drills)


def stored() -> dict[str, tuple[str, int]]:
    return {
        code: (path, depth) for code, path, depth in Category.objects.values_list("code", "path", "depth")
    }


def test_code_path_depth_and_slug_follow_from_name_and_parent(branch: tuple[Category, ...]) -> None:
    assert stored() == {
        "CAT_TOOLS": ("Tools", 0),
        "CAT_TOOLS_DRILLS_CO": ("Tools > Drills & Co", 1),
        "CAT_TOOLS_DRILLS_CO_18_V": ("Tools > Drills & Co > 18 V", 2),
    }
    assert branch[1].slug == "drills-co"


def test_a_second_category_with_the_slug_gets_the_code_that_a_file_gives_it() -> None:
    paths = ["Power tools", "Power Tools", "Ñu", "Nu"]
    for path in sorted(paths):
        Category.objects.create(name=path)
    assert dict(Category.objects.values_list("path", "code")) == codes_for_paths(paths)


def test_rename_and_move_carry_the_subtree_and_leave_codes(branch: tuple[Category, ...]) -> None:
    tools, drills, _ = branch
    tools.name = "Werkzeug"
    tools.save(update_fields=["name"])
    # An instance that was loaded before the rename does not write the old path back.
    Category.objects.create(name="Saws", parent=drills.parent)
    drills.parent = None
    drills.save()
    assert stored() == {
        "CAT_TOOLS": ("Werkzeug", 0),
        "CAT_TOOLS_DRILLS_CO": ("Drills & Co", 0),
        "CAT_TOOLS_DRILLS_CO_18_V": ("Drills & Co > 18 V", 1),
        "CAT_WERKZEUG_SAWS": ("Werkzeug > Saws", 1),
    }


def test_renaming_does_not_touch_a_path_that_merely_begins_alike(branch: tuple[Category, ...]) -> None:
    Category.objects.create(name="Tools & more")
    branch[0].name = "X"
    branch[0].save()
    assert Category.objects.filter(path="Tools & more").exists()


@pytest.mark.parametrize("change", ["save", "update", "bulk_update", "blank"])
def test_a_code_never_changes(branch: tuple[Category, ...], change: str) -> None:
    tools = branch[0]
    tools.code = "" if change == "blank" else "CAT_OTHER"
    with pytest.raises(CategoryCodeError, match=r"identity|cannot be changed"), transaction.atomic():
        if change == "update":
            Category.objects.filter(pk=tools.pk).update(code="CAT_OTHER")
        elif change == "bulk_update":
            Category.objects.bulk_update([tools], ["code"])
        else:
            tools.save()
    assert "CAT_TOOLS" in stored()
    with pytest.raises(ValidationError, match="cannot be changed"):
        tools.full_clean()


def test_a_move_below_itself_is_refused(branch: tuple[Category, ...]) -> None:
    tools, _, volts = branch
    tools.parent = volts
    with pytest.raises(ValidationError, match="descendant of itself"):
        tools.full_clean()
    with pytest.raises(ValidationError, match="below itself"):
        tools.save()
    assert stored()["CAT_TOOLS"] == ("Tools", 0)


@pytest.mark.parametrize("name", ["", "  ", "a > b", "a >", "x" * 201, "a\x00b", "> a"])
def test_a_name_that_would_break_the_path_is_refused(name: str, branch: tuple[Category, ...]) -> None:
    with pytest.raises(ValidationError):
        Category.objects.create(name=name, parent=branch[0])
    assert len(stored()) == 3


def test_a_path_too_long_for_an_index_is_refused() -> None:
    above = None
    for _ in range(4):
        above = Category.objects.create(name="長" * 200, parent=above)
    with pytest.raises(ValidationError, match="bytes"):
        Category.objects.create(name="長" * 100, parent=above)


def test_the_form_names_a_path_that_exists(branch: tuple[Category, ...]) -> None:
    with pytest.raises(ValidationError, match="already a category"):
        Category(name="Drills & Co", parent=branch[0]).full_clean()


def test_subtree_is_one_query(branch: tuple[Category, ...], django_assert_num_queries: object) -> None:
    tools, drills, volts = branch
    assert set(Category.objects.subtree(tools)) == {tools, drills, volts}
    assert set(Category.objects.subtree(tools, include_self=False)) == {drills, volts}
    assert set(tools.descendants()) == {drills, volts}


def test_a_fixture_keeps_its_codes(branch: tuple[Category, ...], tmp_path: object) -> None:
    file = f"{tmp_path}/categories.json"
    call_command("dumpdata", "categories.category", output=file)
    before = stored()
    Category.objects.filter(depth=2).delete()
    Category.objects.filter(depth=1).delete()
    Category.objects.all().delete()
    call_command("loaddata", file, verbosity=0)
    assert stored() == before
