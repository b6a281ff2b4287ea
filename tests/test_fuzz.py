"""A bounded number of the inputs that `make fuzz` tries without end."""

import pytest
from hypothesis import HealthCheck, settings

from fuzz.properties import PROPERTIES

EXAMPLES = {"mirrors": 12, "datarobot": 40, "registry": 60, "forges": 120, "archive": 60}


@pytest.mark.parametrize("name", PROPERTIES)
def test_it_is_understood_or_refused(name):
    bounded = settings(
        max_examples=EXAMPLES.get(name, 300), suppress_health_check=list(HealthCheck)
    )
    bounded(PROPERTIES[name])()
