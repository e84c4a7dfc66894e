"""The hand's model is what one wheel of the index holds; how files are taken, test_recordings sees."""

import subprocess

from ci import hand_model, wheel_files
from crossroads.models import virtual_hand


def test_without_an_index_the_build_goes_on_without_a_robot_s_hand(tmp_path, monkeypatch, capsys):
    def fails(folder, packages):
        assert packages == ("gymnasium-robotics==1.4.2",)
        raise subprocess.CalledProcessError(1, "pip", stderr="ERROR: no index\n")

    monkeypatch.setattr(wheel_files, "_download", fails)
    hand_model.fetch(tmp_path)
    assert virtual_hand.missing(tmp_path) == list(virtual_hand.FILES)
    said = capsys.readouterr().out
    for part in ("the robot's hand is skipped", "ERROR: no index", "run python -m ci.hand_model"):
        assert part in said
