"""The recurrent network of Piwek, Stokes & Summerfield (2023) and its training by RMSprop.

h_t = ReLU(W_in x_t + b_in + W_rec h_{t-1} + sigma eps_t),  o = softmax(W_out h_T + b_out)
L   = 1/17 sum_k d_k^2 o_k^2

The published schedule updates after every single trial, where a framework spends its time on bookkeeping.
Here the backward pass is written out and compiled: input enters at two or three cycles only, and all cycles
of W_rec's gradient are one matrix product. `RetroCueRNN` says the same maths in torch; the tests hold the two
together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from crossroads.data.retro_cue import N_INPUTS, N_UNITS

Array = np.ndarray


class Weights(NamedTuple):
    """Parameters of one network: (n, 36), (n,), (n, n), (17, n), (17,)."""

    w_in: np.ndarray
    b_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    b_out: np.ndarray


def initial_weights(
    n_hidden: int, rng: np.random.Generator, gain: float = 1.0, dtype: type = np.float32
) -> Weights:
    """Linear layers uniform in +-1/sqrt(fan_in), W_rec a random orthogonal matrix times `gain`."""

    def linear(*shape: int, fan_in: int) -> np.ndarray:
        return rng.uniform(-(fan_in**-0.5), fan_in**-0.5, shape).astype(dtype)

    q, r = np.linalg.qr(rng.standard_normal((n_hidden, n_hidden)))
    return Weights(
        w_in=linear(n_hidden, N_INPUTS, fan_in=N_INPUTS),
        b_in=linear(n_hidden, fan_in=N_INPUTS),
        w_rec=(gain * q * np.sign(np.diag(r))).astype(dtype),
        w_out=linear(N_UNITS, n_hidden, fan_in=n_hidden),
        b_out=linear(N_UNITS, fan_in=n_hidden),
    )


@njit(cache=True)
def hidden_states(w: Weights, inputs: Array, event_steps: Array, noise: Array) -> Array:
    """States h_0 = 0 and h_t after every cycle, (T + 1, n_trials, n): eq-retrocue-state.

    inputs : (n_events, n_trials, 36) at the cycles `event_steps`; noise : (T, n_trials, n), already times
        sigma.
    """
    n_steps, n_trials, n = noise.shape
    h = np.zeros((n_steps + 1, n_trials, n), noise.dtype)
    event = 0
    for t in range(n_steps):
        a = h[t] @ w.w_rec.T if t > 0 else np.zeros_like(h[0])
        if event < len(event_steps) and t == event_steps[event]:
            a += inputs[event] @ w.w_in.T
            event += 1
        for i in range(n_trials):
            for j in range(n):
                h[t + 1, i, j] = max(a[i, j] + w.b_in[j] + noise[t, i, j], 0)
    return h


@njit(cache=True)
def report_probabilities(w: Weights, h_last: Array) -> Array:
    """softmax(W_out h_T + b_out), (n_trials, 17): the report of eq-retrocue-state."""
    o = h_last @ w.w_out.T
    for i in range(o.shape[0]):
        o[i] += w.b_out
        o[i] = np.exp(o[i] - o[i].max())
        o[i] /= o[i].sum()
    return o


@njit(cache=True)
def similarity_gradient(h: Array, target: Array) -> tuple[float, Array]:
    """1 - linear CKA between states `h` (n_trials, n) and patterns `target` (n_trials, m), and its gradient
    in `h`.

    CKA = <K, K*> / (|K| |K*|), K and K* the centred Gram matrices over trials (Kornblith et al. 2019).
    """
    centred = h - h.sum(0) / h.dtype.type(len(h))
    wanted = target - target.sum(0) / h.dtype.type(len(h))
    k, k_wanted = centred @ centred.T, wanted @ wanted.T
    size, size_wanted = np.sqrt((k * k).sum()), np.sqrt((k_wanted * k_wanted).sum())
    cka = (k * k_wanted).sum() / (size * size_wanted)
    return 1 - cka, 2 * ((cka / size**2) * k - k_wanted / (size * size_wanted)) @ centred


@njit(cache=True)
def loss_and_gradient(
    w: Weights,
    inputs: Array,
    event_steps: Array,
    noise: Array,
    cost: Array,
    similarity: float,
    readouts: Array,
    neural: Array,
) -> tuple[float, Weights]:
    """Mean report loss of a batch and the gradient of the whole loss by backpropagation through time.

    Equation eq-retrocue-loss is the report loss.

    cost : (n_trials, 17) squared distances d_k^2 of `data.retro_cue.report_cost`.
    similarity : weight of an added 1 - CKA to the patterns `neural` (n_readouts, n_trials, m) at the cycles
        `readouts`; 0 is the published loss.
    """
    n_steps, n_trials, n = noise.shape
    h = hidden_states(w, inputs, event_steps, noise)
    o = report_probabilities(w, h[-1])
    scale = noise.dtype.type(1 / (cost.shape[1] * n_trials))
    dlogit = np.empty_like(o)
    loss = 0.0
    for i in range(n_trials):
        g = 2 * scale * cost[i] * o[i]
        loss += scale * (cost[i] * o[i] * o[i]).sum()
        dlogit[i] = o[i] * (g - (g * o[i]).sum())
    delta = np.empty_like(noise)
    dh = dlogit @ w.w_out
    readout = len(readouts) - 1
    for t in range(n_steps - 1, -1, -1):
        if similarity > 0 and readout >= 0 and t == readouts[readout]:
            dh += similarity * similarity_gradient(h[t + 1], neural[readout])[1]
            readout -= 1
        for i in range(n_trials):
            for j in range(n):
                delta[t, i, j] = dh[i, j] if h[t + 1, i, j] > 0 else 0
        if t > 0:
            dh = delta[t] @ w.w_rec
    dw_in = np.zeros_like(w.w_in)
    for event in range(len(event_steps)):
        dw_in += delta[event_steps[event]].T @ inputs[event]
    flat = delta.reshape(-1, n)
    db_in = np.zeros_like(w.b_in)
    for i in range(flat.shape[0]):
        db_in += flat[i]
    # Every cycle's outer product in one matrix product; h[0] is zero and adds nothing.
    dw_rec = flat[n_trials:].T @ h[1:-1].reshape(-1, n)
    return loss, Weights(dw_in, db_in, dw_rec, dlogit.T @ h[-1], dlogit.sum(0))


@njit(cache=True)
def _rmsprop(p: Array, v: Array, g: Array, rate: float) -> None:
    """p -= rate g / (sqrt(v) + 1e-8) with v the running square of g, decay .99."""
    # Constants in the arrays' own precision, or the loop runs in double.
    alpha, rest = v.dtype.type(0.99), v.dtype.type(0.01)
    step, eps = v.dtype.type(rate), v.dtype.type(1e-8)
    flat, squares, gradient = p.ravel(), v.ravel(), g.ravel()
    for i in range(len(flat)):
        squares[i] = alpha * squares[i] + rest * gradient[i] * gradient[i]
        flat[i] -= step * gradient[i] / (np.sqrt(squares[i]) + eps)


@njit(cache=True)
def train_batches(
    w: Weights,
    v: Weights,
    rate: float,
    batches: Array,
    inputs: Array,
    event_steps: Array,
    noise: Array,
    cost: Array,
    similarity: float,
    readouts: Array,
    neural: Array,
) -> Array:
    """Update `w` and the running squares `v` in place, once a batch; returns the loss of each batch.

    batches : (n_batches, batch) rows of the trials; noise : (n_batches, T, batch, n), already times sigma.
    """
    losses = np.empty(len(batches))
    for b, rows in enumerate(batches):
        losses[b], g = loss_and_gradient(
            w, inputs[:, rows], event_steps, noise[b], cost[rows], similarity, readouts, neural[:, rows]
        )
        _rmsprop(w.w_in, v.w_in, g.w_in, rate)
        _rmsprop(w.b_in, v.b_in, g.b_in, rate)
        _rmsprop(w.w_rec, v.w_rec, g.w_rec, rate)
        _rmsprop(w.w_out, v.w_out, g.w_out, rate)
        _rmsprop(w.b_out, v.b_out, g.b_out, rate)
    return losses
