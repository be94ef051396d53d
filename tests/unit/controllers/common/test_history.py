"""What a revision stores of its owner."""

from __future__ import annotations

import json

from controllers.common.history import template_patch


def test_the_template_is_stored_in_the_order_that_clients_compare() -> None:
    template = {
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]},
        "metadata": {"labels": {"b": "1", "a": "2"}},
    }
    assert json.dumps(template_patch({"spec": {"template": template}}), separators=(",", ":")) == (
        '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","b":"1"}},'
        '"spec":{"containers":[{"image":"i","name":"c"}],"restartPolicy":"Always"}}}}'
    )
