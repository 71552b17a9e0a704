"""Boltzmann hierarchies of photons, neutrinos, baryons and dark matter of any velocity.

The equations of Ma & Bertschinger (1995, astro-ph/9506072, MB below) in the synchronous gauge:
metric (eq. 21), cold dark matter (42), massive shells (56, 58), massless neutrinos (49), photons
with polarisation (63), baryons (66). Units of CLASS: densities are 8 pi G rho / 3 in
Mpc^-2, times in Mpc. Everything is linear in the perturbations, and every wavenumber is alone.

A shell of velocity u = q/m has Psi_l = (d ln f / d ln q) W_l. By parts in y = ln u a sum over f is
one over W with the weights d n / d y - 3 n, n = q^3 f: no derivative of f is needed.

Multipoles end in a sponge: the upper half of each ladder is damped, so that what has streamed past
its end does not come back (the closure of MB eq. 51 alone returns 1e-4 of the matter).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SHELL_MULTIPOLES, RADIATION_MULTIPOLES = 12, 16  # the highest l
_SPONGE = 1.5  # damping of the last multipole, in units of its streaming rate
# Ascher, Ruuth & Spiteri (1997), scheme (4,4,3): third order, the scattering L-stable. Its last
# stage is the step itself, so that photons leave every step as tightly coupled as they are
STAGES = np.array([0.0, 1 / 2, 2 / 3, 1 / 2, 1.0])
EXPLICIT = np.array(
    [
        [0.0, 0.0, 0.0, 0.0],
        [1 / 2, 0.0, 0.0, 0.0],
        [11 / 18, 1 / 18, 0.0, 0.0],
        [5 / 6, -5 / 6, 1 / 2, 0.0],
        [1 / 4, 7 / 4, 3 / 4, -7 / 4],
    ]
)
IMPLICIT = np.array(  # the diagonal, 1/2 from the second stage on, is left out
    [
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 1 / 6, 0.0, 0.0],
        [0.0, -1 / 2, 1 / 2, 0.0],
        [0.0, 3 / 2, -3 / 2, 1 / 2],
    ]
)
_DIAGONAL = np.array([0.0, 1 / 2, 1 / 2, 1 / 2, 1 / 2])


class Contents(eqx.Module):
    """What fills the universe; densities today [Mpc^-2], scalars unless said otherwise.

    Attributes
    ----------
    photon, neutrino, baryon, dark_energy : each its own.
    cold : cold dark matter.
    speed : (nu,) u = q/m of the shells of dark matter.
    number : (nu,) mass density of each shell.
    gradient : (nu,) d number / d ln u - 3 number.
    """

    photon: Array
    neutrino: Array
    baryon: Array
    dark_energy: Array
    cold: Array
    speed: Array
    number: Array
    gradient: Array


class State(eqx.Module):
    """Perturbations of nk wavenumbers, for eta = 2 before they enter the horizon.

    Attributes
    ----------
    eta : (nk,) curvature of the synchronous gauge.
    cold, baryon : (nk,) overdensities.
    flow : (nk,) of baryons, 4 theta_b / 3 k.
    radiation : (l + 2, 3, nk) F_l of photons and of neutrinos, G_l of polarisation.
    shells : (l + 2, nu, nk) W_l.
    path : (nu, nk) int v d tau of each shell; time : (nk,) tau [Mpc].

    The first and the last row of a ladder are zero: neighbours in l are then slices of it, which a
    processor reads in one go.
    """

    eta: Array
    cold: Array
    baryon: Array
    flow: Array
    radiation: Array
    shells: Array
    path: Array
    time: Array


class Background(eqx.Module):
    """Of one moment for each wavenumber, (nk,) or (nu, nk).

    Attributes
    ----------
    a : scale factor; hubble : aH [1/Mpc].
    energy : (nu, nk) sqrt(u^2 + a^2).
    velocity : (nu, nk), no faster than a step can follow; felt : (nu, nk) how much of the shell's
        perturbation gravitates, one where the velocity is its own.
    opacity : scattering rate kappa' [1/Mpc]; sound_squared : of baryons.
    streaming : (nk,) bool, whether radiation counts as free streaming.
    """

    a: Array
    hubble: Array
    energy: Array
    velocity: Array
    felt: Array
    opacity: Array
    sound_squared: Array
    streaming: Array


def background(contents: Contents, k, ln_a, step, opacity, sound_squared, streaming) -> Background:
    """The background at ``ln_a`` (nk,), on steps of length ``step``; else as in the class.

    A step that a shell crosses wavelengths in cannot follow it. Such a shell is far above its Jeans
    wavenumber, where its overdensity goes as 1/(k v)^2: it is slowed, and felt less in proportion.
    """
    a = jnp.exp(ln_a)
    speed = contents.speed[:, None]
    energy = jnp.sqrt(speed**2 + a[None] ** 2)
    shells = contents.number @ energy / a**4
    matter, radiation = contents.baryon + contents.cold, contents.photon + contents.neutrino
    density = radiation / a**4 + matter / a**3 + contents.dark_energy + shells
    hubble = a * jnp.sqrt(density)
    velocity = speed / energy
    crossed = velocity * (k * step / hubble)[None]
    # three roots: a power is a call for every element
    slower = 1.0 / jnp.sqrt(jnp.sqrt(jnp.sqrt(1.0 + crossed**8)))
    return Background(
        a, hubble, energy, velocity * slower, slower**2, opacity, sound_squared, streaming
    )


def matter(contents: Contents, now: Background, state: State, k) -> tuple[Array, Array]:
    """delta rho and (rho + p) theta of baryons and dark matter, (nk,) each."""
    weight = contents.gradient[:, None] * now.felt
    heavy = jnp.sum(weight * now.energy * state.shells[1], axis=0)
    push = jnp.sum(weight * contents.speed[:, None] * state.shells[2], axis=0)
    density = (contents.baryon * state.baryon + contents.cold * state.cold) / now.a**3
    density = density + heavy / now.a**4
    momentum = 0.75 * contents.baryon * state.flow / now.a**3 + push / now.a**4
    return density, k * momentum


def _expansion(contents: Contents, now: Background, state: State, density, k) -> Array:
    """h' of the metric from the constraint (MB eq. 21a), ``density`` that of matter.

    Radiation that streams freely follows from the metric, delta = 4 (aH h' - k^2 eta) / k^2 and
    theta = -h'/2 (as in CLASS: Blas, Lesgourgues & Tram 2011, 1104.2933), which is then solved for:
    its dipole is at rest in the Newtonian gauge, and shear is left out.
    """
    radiation = (contents.photon + contents.neutrino) / now.a**2
    followed = (
        contents.photon * state.radiation[1, 0] + contents.neutrino * state.radiation[1, 1]
    ) / now.a**2
    pull, k_squared = 1.5 * now.a**2 * density, k * k
    solved = k_squared * state.eta + pull + 1.5 * followed
    free = (k_squared - 6.0 * radiation) * state.eta + pull
    free = free / (1.0 - 12.0 * radiation / k_squared)
    return 2.0 / now.hubble * jnp.where(now.streaming, free, solved)


def _turning(contents: Contents, now: Background, state: State, momentum, expansion, k) -> Array:
    """eta' of the metric (MB eq. 21b), ``momentum`` that of matter."""
    photon, neutrino = contents.photon, contents.neutrino
    followed = k * (photon * state.radiation[2, 0] + neutrino * state.radiation[2, 1])
    free = -2.0 / 3.0 * (photon + neutrino) * expansion
    radiation = jnp.where(now.streaming, free, followed) / now.a**2
    return 1.5 * (now.a**2 * momentum + radiation) / (k * k)


def _ladder(rows: Array, rate, distance) -> Array:
    """Free streaming of a ladder (l + 2, ...) at ``rate`` = k v after ``distance`` = k int v d tau.

    Both (...). Closed as in MB eq. 51. The result is without the first and the last row.
    """
    last = rows.shape[0] - 3
    order = np.arange(last + 1.0).reshape(-1, *(1,) * (rows.ndim - 1))
    ends = order == last
    below = np.where(ends, 1.0, order / (2.0 * order + 1.0))
    above = np.where(ends, 0.0, (order + 1.0) / (2.0 * order + 1.0))
    sponge = _SPONGE * np.clip(2.0 * order / last - 1.0, 0.0, None) ** 2
    lost = sponge + (ends * (last + 1.0)) / distance
    return rate * (below * rows[:-2] - above * rows[2:] - lost * rows[1:-1])


def _row(values: Array) -> Array:
    """``values`` (nk,) beside ladders, (1, 1, nk)."""
    return values[None, None]


def _at(order: int, ladder: int, kinds: tuple[float, ...] = (1.0,)) -> np.ndarray:
    """Zero but at one multipole of a ladder, where it is ``kinds``; (l, kinds, 1)."""
    return (np.arange(ladder + 1) == order)[:, None, None] * np.array(kinds)[None, :, None]


def _rates(contents, now: Background, state: State, expansion, k) -> State:
    """d state / d ln a without scattering; ladders without their first and last rows."""
    _, momentum = matter(contents, now, state, k)
    turning = _turning(contents, now, state, momentum, expansion, k)
    shells = _ladder(state.shells, (k[None] * now.velocity)[None], (k[None] * state.path)[None])
    shells = shells + _at(0, SHELL_MULTIPOLES) * _row(expansion / 6.0)
    shells = shells - _at(2, SHELL_MULTIPOLES) * _row(expansion / 15.0 + 0.4 * turning)
    radiation = _ladder(state.radiation, _row(k), _row(k * state.time))
    monopole, quadrupole = (_at(order, RADIATION_MULTIPOLES, (1.0, 1.0, 0.0)) for order in (0, 2))
    radiation = radiation - monopole * _row(2.0 / 3.0 * expansion)
    radiation = radiation + quadrupole * _row(4.0 / 15.0 * expansion + 1.6 * turning)
    return State(
        eta=turning / now.hubble,
        cold=-0.5 * expansion / now.hubble,
        baryon=-(0.75 * k * state.flow + 0.5 * expansion) / now.hubble,
        flow=4.0 / 3.0 * now.sound_squared * k * state.baryon / now.hubble - state.flow,
        radiation=jnp.where(now.streaming, 0.0, radiation / _row(now.hubble)),
        shells=shells / _row(now.hubble),
        path=now.velocity / now.hubble[None],
        time=1.0 / now.hubble,
    )


def _drag(contents, now: Background) -> Array:
    """4 rho_gamma / 3 rho_b, (nk,)."""
    return 4.0 / 3.0 * contents.photon / (contents.baryon * now.a)


# of photons, neutrinos and polarisation: the dipole that scattering drags, what it damps, and how
# much of pi = F_2 + G_0 + G_2 it feeds
_DIPOLE = _at(1, RADIATION_MULTIPOLES, (1.0, 0.0, 0.0))
_HIGH = (np.arange(RADIATION_MULTIPOLES + 1) > 1) * 1.0
_DAMPED = np.stack([_HIGH, 0.0 * _HIGH, np.ones_like(_HIGH)], axis=1)[:, :, None]
_FED = _at(0, RADIATION_MULTIPOLES, (0.0, 0.0, 0.5)) + _at(2, RADIATION_MULTIPOLES, (0.1, 0.0, 0.1))


def _scattering(contents, now: Background, flow, radiation, expansion, k):
    """d (flow, radiation) / d ln a by scattering (MB eq. 63, 66), as :func:`_rates`."""
    rate = now.opacity / now.hubble
    dipole = jnp.where(now.streaming, -2.0 / 3.0 * expansion / k, radiation[2, 0])
    change = _FED * _row(_polarising(radiation)) + _DIPOLE * _row(flow - dipole)
    change = change - _DAMPED * radiation[1:-1]
    flowing = rate * _drag(contents, now) * (dipole - flow)
    return flowing, jnp.where(now.streaming, 0.0, _row(rate) * change)


def _polarising(radiation: Array) -> Array:
    """pi = F_2 + G_0 + G_2 of a ladder (l + 2, 3, nk), (nk,)."""
    return radiation[3, 0] + radiation[1, 2] + radiation[3, 2]


def _scattered(contents, now: Background, state: State, time, expansion, k) -> State:
    """The state y with y - ``time`` scattering(y) = ``state``; ``time`` (nk,) in ln a."""
    depth = time * now.opacity / now.hubble
    drag = _drag(contents, now) * depth
    dipole, flow = state.radiation[2, 0], state.flow
    total = 1.0 + depth + drag
    pi = depth * _polarising(state.radiation) / (1.0 + 0.3 * depth)
    fed, damped, first = (
        np.pad(rows, ((1, 1), (0, 0), (0, 0))) for rows in (_FED, _DAMPED, _DIPOLE)
    )
    radiation = (state.radiation + fed * _row(pi)) / (1.0 + damped * _row(depth))
    radiation = radiation + first * _row(depth * (flow - dipole) / total)
    free = (flow - 2.0 / 3.0 * drag * expansion / k) / (1.0 + drag)
    flow = jnp.where(now.streaming, free, (flow * (1.0 + depth) + drag * dipole) / total)
    radiation = jnp.where(now.streaming, state.radiation, radiation)
    return eqx.tree_at(lambda s: (s.flow, s.radiation), state, (flow, radiation))


def stepped(contents: Contents, state: State, k, ln_a, step, opacity, sound_squared, streaming):
    """The state one step later.

    Parameters
    ----------
    k : (nk,) [1/Mpc]; ln_a, step : (nk,) where the step begins, and its length in ln a.
    opacity, sound_squared : (5, nk) kappa' [1/Mpc] and c_b^2 at the five ``STAGES``.
    streaming : (nk,) bool, whether radiation is free on this step.
    """
    nodes, explicit = jnp.asarray(STAGES), jnp.asarray(EXPLICIT)
    implicit, diagonal = jnp.asarray(IMPLICIT), jnp.asarray(_DIAGONAL)

    def moved(value, changes, weights):
        length = step.reshape(*(1,) * (value.ndim - 1), -1)
        return value + length * jnp.tensordot(weights, changes, 1)

    def stage(index, rates, kicks):
        made = jax.tree.map(
            lambda value, changes: moved(value, changes, explicit[index]), state, rates
        )
        kicked = (
            moved(value, changes, implicit[index])
            for value, changes in zip((made.flow, made.radiation), kicks)
        )
        made = eqx.tree_at(lambda s: (s.flow, s.radiation), made, tuple(kicked))
        now = background(
            contents,
            k,
            ln_a + nodes[index] * step,
            step,
            opacity[index],
            sound_squared[index],
            streaming,
        )
        density, _ = matter(contents, now, made, k)
        expansion = _expansion(contents, now, made, density, k)
        return _scattered(contents, now, made, diagonal[index] * step, expansion, k), now, expansion

    def kept(all_, new, index):
        # the first and the last row of a ladder stay as they are, zero
        rows = (all_.shape[1] - new.shape[0]) // 2 if new.ndim > 1 else 0
        return jax.lax.dynamic_update_slice(all_, new[None], (index, rows, *(0,) * (new.ndim - 1)))

    def one(carried, index):
        rates, kicks = carried
        made, now, expansion = stage(index, rates, kicks)
        rate = _rates(contents, now, made, expansion, k)
        kick = _scattering(contents, now, made.flow, made.radiation, expansion, k)
        carried = jax.tree.map(
            lambda all_, new: kept(all_, new, index), (rates, kicks), (rate, kick)
        )
        return carried, None

    rates = jax.tree.map(lambda value: jnp.zeros((4, *value.shape)), state)
    kicks = (rates.flow, rates.radiation)
    (rates, kicks), _ = jax.lax.scan(one, (rates, kicks), jnp.arange(4))
    return stage(4, rates, kicks)[0]


def beginning(contents: Contents, k: Array, ln_a: Array) -> State:
    """The growing adiabatic mode outside the horizon (MB eq. 96), radiation dominating."""
    a = jnp.exp(ln_a)
    velocity = contents.speed[:, None] / jnp.sqrt(contents.speed[:, None] ** 2 + a[None] ** 2)
    shells = contents.number * contents.speed @ velocity
    streaming = contents.neutrino + shells
    radiation = contents.photon + streaming
    fraction = streaming / radiation
    time = a / jnp.sqrt(radiation)
    phase = k * time
    overdensity = -2.0 / 3.0 * phase**2
    dipole = -2.0 / 27.0 * phase**3
    dipole_free = (23.0 + 4.0 * fraction) / (15.0 + 4.0 * fraction) * dipole
    shear = 8.0 / 3.0 / (15.0 + 4.0 * fraction) * phase**2
    rows = jnp.zeros((RADIATION_MULTIPOLES + 3, 3, k.shape[0]))
    multipoles = rows.at[1, :2].set(overdensity).at[2, 0].set(dipole)
    multipoles = multipoles.at[2, 1].set(dipole_free).at[3, 1].set(shear)
    rows = jnp.zeros((SHELL_MULTIPOLES + 3, *velocity.shape))
    shells = rows.at[1].set(-0.25 * overdensity).at[2].set(-0.25 * velocity * dipole_free[None])
    shells = shells.at[3].set(-0.25 * velocity**2 * shear[None])
    return State(
        eta=2.0 - (5.0 + 4.0 * fraction) / (6.0 * (15.0 + 4.0 * fraction)) * phase**2,
        cold=0.75 * overdensity,
        baryon=0.75 * overdensity,
        flow=dipole,
        radiation=multipoles,
        shells=shells,
        path=velocity * time[None],
        time=time,
    )


def matter_overdensity(contents: Contents, now: Background, state: State, k) -> Array:
    """delta of all matter in its own rest frame, (nk,): delta rho + 3 aH (rho + p) theta / k^2."""
    density, momentum = matter(contents, now, state, k)
    total = contents.baryon + contents.cold + jnp.sum(contents.number)
    return (density + 3.0 * now.hubble * momentum / (k * k)) * now.a**3 / total
