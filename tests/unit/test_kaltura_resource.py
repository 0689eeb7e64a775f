"""Which account a run pulls from: the settings', the stand-in where they name none, and never the one for the other."""

import pytest

from resources.kaltura.errors import Refused
from resources.kaltura.resource import Kaltura
from resources.local import kaltura as standin


def test_without_an_account_in_the_settings_it_is_the_standin() -> None:
    assert Kaltura(pause_scale=0.5).account == int(standin.credentials().partner_id) == standin.ACCOUNT


def test_a_runs_own_config_that_leaves_the_account_out_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KALTURA_PARTNER_ID", "4711")
    with pytest.raises(Refused, match="partner_id") as refusal, Kaltura(pause_scale=0.5).client():
        pass
    assert "env: KALTURA_" in str(refusal.value)
