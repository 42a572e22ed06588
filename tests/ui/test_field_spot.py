"""What the menu of a field offers, and why an entry cannot act."""

from __future__ import annotations

from ui.control.field_spot import FIELD_ENTRIES, FieldFacts, FieldSpot, entry_texts, why_not

FIELD = FieldSpot(7, None, (10.0, 20.0))


def test_a_stored_field_with_a_stage_can_do_everything_but_come_back():
    assert {name: why for name, why in why_not(FIELD, FieldFacts()).items() if why} == {
        "show_tile": "no tile is under the cursor",
        "include_field": "it is not excluded",
    }


def test_an_excluded_field_comes_back_and_is_not_excluded_again():
    reasons = why_not(FIELD, FieldFacts(excluded=True))
    assert reasons["exclude_field"] == "it is excluded already"
    assert reasons["include_field"] == ""
    assert why_not(FIELD, FieldFacts(excluded=True, not_included="undone"))["include_field"] == "undone"


def test_a_place_without_a_field_has_a_position_and_nothing_else():
    place = FieldSpot(place_um=(1.0, 2.0))
    can = {name for name, why in why_not(place, FieldFacts()).items() if not why}
    assert can == {"go_to_field", "copy_position"}
    assert entry_texts(place)["copy_position"] == "Copy position of this place"


def test_nothing_chosen_is_the_reason_of_every_entry():
    reasons = why_not(FieldSpot(), FieldFacts())
    assert set(reasons) == set(FIELD_ENTRIES)
    assert all("no field is chosen" in why for why in reasons.values())


def test_no_stage_goes_to_a_place_that_the_pictures_gave():
    reasons = why_not(FieldSpot(7, None, (1.0, 2.0), tracked=True), FieldFacts(no_move="no rig is open"))
    assert "measured from the pictures" in reasons["go_to_field"]
    assert reasons["copy_position"] == ""


def test_every_reason_of_the_facts_reaches_its_entry():
    facts = FieldFacts("none", on_screen=True, no_tile="raw", not_on_map="off", no_retake="over", no_move="moving")
    tile = FieldSpot(7, 2, (1.0, 2.0))
    reasons = why_not(tile, facts)
    assert reasons["show_field"] == reasons["note_field"] == "none"
    facts = FieldFacts(on_screen=True, no_tile="raw", not_on_map="off", no_retake="over", no_move="moving")
    reasons = why_not(tile, facts)
    names = ("show_field", "show_tile", "show_on_map", "retake_field", "go_to_field")
    assert [reasons[name] for name in names] == ["it is on the screen", "raw", "off", "over", "moving"]
    assert entry_texts(tile)["show_tile"] == "Show tile 3 of field 7"
