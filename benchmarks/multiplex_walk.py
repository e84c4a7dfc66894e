"""The walk's stationary mass: this book against the whole matrix of all regions in all states.

K = 12 states of 400 regions that last 10 volumes, with communities, on one core: seconds to an error of 1e-12
in all, and ratios with their range over repeats in turns, against plain steps without the matrix, against the
dense (K N)^2 matrix built and iterated, and against scipy's eigs on it; what one more step would change of
each mass, and how far it is from ours; times for states of other durations; and how the time grows with
states and regions. Target: 0.2 s.
"""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from scipy.sparse.linalg import eigs
from threadpoolctl import threadpool_limits

from crossroads.models.multiplex_graph import Rule, layers, mass_limit, step, walk_mass

N_STATES, N_REGIONS, N_COMMUNITIES, DWELL = 12, 400, 6, 10.0
TOLERANCE, N_REPEATS = 1e-12, 3
RULES: tuple[Rule, ...] = ("switch then walk", "walk or switch")
Method = Callable[[np.ndarray, np.ndarray, Rule], np.ndarray]  # weights, transition, rule -> mass (K, N)


def graph(n_states: int, n_regions: int, dwell: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Layers from signals that communities share, others in each state, and transitions."""
    rng = np.random.default_rng(seed)
    covariance = []
    for _ in range(n_states):
        community = rng.permuted(np.arange(n_regions) % N_COMMUNITIES)
        shared = rng.normal(size=(2 * n_regions, N_COMMUNITIES))[:, community]
        covariance.append(np.cov((shared + rng.normal(size=(2 * n_regions, n_regions))).T))
    away = rng.dirichlet(np.ones(n_states), n_states) * (1 - np.eye(n_states)) + 1e-3
    np.fill_diagonal(away, 0)
    away /= away.sum(1, keepdims=True)
    return layers(np.array(covariance)), (1 - 1 / dwell) * np.eye(n_states) + away / dwell


def iterate(mass: np.ndarray, ahead: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Steps until what is left is below the tolerance, if changes go on to shrink as they do."""
    last = np.inf
    while True:
        new = ahead(mass)
        change = np.abs(new - mass).sum()
        mass = new
        if change == 0 or (change < last and change / (1 - change / last) < TOLERANCE):
            return mass
        last = change


def plain_steps(weights: np.ndarray, transition: np.ndarray, rule: Rule) -> np.ndarray:
    return iterate(mass_limit(weights, transition), lambda mass: step(mass, weights, transition, rule))


def matrix(weights: np.ndarray, transition: np.ndarray, rule: Rule) -> np.ndarray:
    """All (K N, K N) probabilities of a step."""
    k, n = weights.shape[:2]
    walks = weights / weights.sum(-1, keepdims=True)
    full = np.zeros((k, n, k, n))
    here = np.arange(n)
    for a in range(k):
        for b in range(k):
            if rule == "switch then walk" or a == b:
                full[a, :, b] = transition[a, b] * walks[b]
            else:
                full[a, here, b, here] = transition[a, b]
    return full.reshape(k * n, k * n)


def dense(weights: np.ndarray, transition: np.ndarray, rule: Rule) -> np.ndarray:
    full = matrix(weights, transition, rule)
    start = mass_limit(weights, transition)
    return iterate(start.ravel(), lambda mass: mass @ full).reshape(start.shape)


def arpack(weights: np.ndarray, transition: np.ndarray, rule: Rule) -> np.ndarray:
    start = mass_limit(weights, transition)
    full = matrix(weights, transition, rule)
    vector = eigs(full.T, k=1, which="LR", v0=start.ravel())[1].real.reshape(start.shape)
    return vector / vector.sum()


METHODS: dict[str, Method] = {
    "ours": walk_mass,  # to 1e-12 too
    "plain steps": plain_steps,
    "dense matrix": dense,
    "eigs": arpack,
}


def timed(
    method: Method, weights: np.ndarray, transition: np.ndarray, rule: Rule
) -> tuple[float, np.ndarray]:
    begin = perf_counter()
    mass = method(weights, transition, rule)
    return perf_counter() - begin, mass


def compare(rule: Rule) -> None:
    weights, transition = graph(N_STATES, N_REGIONS, DWELL)
    found = [
        {name: timed(method, weights, transition, rule) for name, method in METHODS.items()}
        for _ in range(N_REPEATS)
    ]
    print(f"{rule}, K = {N_STATES}, {N_REGIONS} regions, states of {DWELL:g} volumes:")
    ours = np.array([one["ours"][0] for one in found])
    reference = found[0]["ours"][1]
    for name in METHODS:
        seconds = np.array([one[name][0] for one in found])
        ratio = seconds / ours
        mass = found[0][name][1]
        change = np.abs(step(mass, weights, transition, rule) - mass).sum()
        print(
            f"  {name:12} {np.median(seconds):6.3f} s, ratio {np.median(ratio):5.1f} ({ratio.min():.1f}-"
            f"{ratio.max():.1f}); a step changes {change:.0e}, "
            f"from ours {np.abs(mass - reference).sum():.0e}"
        )
    for dwell in (1.25, 10.0, 200.0):
        weights, transition = graph(N_STATES, N_REGIONS, dwell)
        seconds = np.array([timed(walk_mass, weights, transition, rule)[0] for _ in range(N_REPEATS)])
        print(
            f"  states of {dwell:g} volumes: {np.median(seconds):.3f} s "
            f"({seconds.min():.3f}-{seconds.max():.3f})"
        )


def slope(counts: Sequence[int], seconds: Sequence[float]) -> float:
    return float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])


def cost_law() -> None:
    def best(n_states: int, n_regions: int) -> float:
        one = graph(n_states, n_regions, DWELL)
        return min(timed(walk_mass, *one, "switch then walk")[0] for _ in range(3))

    print("time of a mass of K = 12, 400 regions, but for what varies, grows as")
    for what, counts, law in (
        ("K", (3, 6, 12, 24), lambda n: best(n, N_REGIONS)),
        ("regions", (50, 100, 200, 400), lambda n: best(N_STATES, n)),
    ):
        seconds = [law(n) for n in counts]
        measured = ", ".join(f"{n}: {1000 * s:.1f} ms" for n, s in zip(counts, seconds, strict=True))
        print(f"  {what}^{slope(counts, seconds):.2f}  ({measured})")


def main() -> None:
    for rule in RULES:
        compare(rule)
    cost_law()


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
