"""Label selectors in upstream's print."""

from controllers.common.goselector import go_selector


def test_selectors_read_as_upstream_prints_them() -> None:
    assert go_selector(None) == "nil"
    empty = "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{},}"
    assert go_selector({}) == empty
    rule = {"key": "tier", "operator": "In", "values": ["a", "b"]}
    assert go_selector({"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [rule]}) == (
        "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:In,Values:[a b],},},}"
    )
