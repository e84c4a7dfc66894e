"""Are the planted responses found again in what the sensors recorded? By the usual forward model (mne)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd
from mne import use_log_level
from mne.decoding import ReceptiveField

from crossroads.data.listening import Recording, Story
from crossroads.data.listening_brain import RATE_HZ, STREAMS, Listener, at_home, response, streams

os.environ.setdefault("MNE_TQDM", "off")  # its progress bars would stand in the page
FIRST_S, LAST_S = -0.1, 0.6  # lags
RIDGE = 1.0


def recover_responses(
    story: Story, recordings: Sequence[Recording], people: Sequence[Listener], stream: str
) -> pd.DataFrame:
    """Responses of a stream's home sources, from recordings without artefacts at RATE_HZ.

    The sensors are brought back to the sources by the pseudo-inverse of the lead field, and a ridge
    regression over lags explains each of these by what drives it in the three streams.

    Returns
    -------
    A row a lag and listener: `lag_ms`, `subject`, `planted` and `recovered`, the mean over the stream's
    sources; both with a Euclidean norm of 1, since the size of a response depends on its stream's share.
    """
    heard = streams(story)
    lags = np.arange(round(FIRST_S * RATE_HZ), round(LAST_S * RATE_HZ) + 1) / RATE_HZ
    tables = []
    for recording, person in zip(recordings, people, strict=True):
        sources = np.linalg.pinv(person.lead) @ recording.x
        kernels = []
        for i in np.flatnonzero(at_home(stream)):
            drive = np.column_stack([person.weights[name][i] @ heard[name] for name in STREAMS])
            model = ReceptiveField(lags[0], lags[-1], RATE_HZ, estimator=RIDGE)
            with use_log_level("error"):
                model.fit(drive / drive.std(0), sources[i] / sources[i].std())
            kernels.append(model.coef_[STREAMS.index(stream)])
        whole = response(stream, later_s=person.latency_s)
        middle = len(whole) // 2
        planted = whole[middle + round(lags[0] * RATE_HZ) : middle + round(lags[-1] * RATE_HZ) + 1]
        found = np.mean(kernels, axis=0)
        tables.append(
            pd.DataFrame(
                {
                    "lag_ms": 1000 * lags,
                    "subject": recording.subject,
                    "planted": planted / np.linalg.norm(planted),
                    "recovered": found / np.linalg.norm(found),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)
