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
    radiation : (3, l, nk) F_l of photons and of neutrinos, G_l of polarisation.
    shells : (nu, l, nk) W_l.
    path : (nu, nk) int v d tau of each shell; time : (nk,) tau [Mpc].
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
    energy = jnp.sqrt(contents.speed[:, None] ** 2 + a[None, :] ** 2)
    shells = contents.number @ energy / a**4
    matter, radiation = contents.baryon + contents.cold, contents.photon + contents.neutrino
    density = radiation / a**4 + matter / a**3 + contents.dark_energy + shells
    hubble = a * jnp.sqrt(density)
    velocity = contents.speed[:, None] / energy
    slower = (1.0 + (k[None] * velocity * step[None] / hubble[None]) ** 8) ** -0.125
    return Background(
        a, hubble, energy, velocity * slower, slower**2, opacity, sound_squared, streaming
    )


def matter(contents: Contents, now: Background, state: State, k) -> tuple[Array, Array]:
    """delta rho and (rho + p) theta of baryons and dark matter, (nk,) each."""
    shells = (contents.gradient[:, None] * now.felt)[None] * state.shells[:, :2].swapaxes(0, 1)
    density = (contents.baryon * state.baryon + contents.cold * state.cold) / now.a**3
    density = density + jnp.sum(now.energy * shells[0], axis=0) / now.a**4
    push = contents.speed[:, None] * shells[1]
    momentum = 0.75 * contents.baryon * state.flow / now.a**3 + jnp.sum(push, axis=0) / now.a**4
    return density, k * momentum


def _expansion(contents: Contents, now: Background, state: State, density, k) -> Array:
    """h' of the metric from the constraint (MB eq. 21a), ``density`` that of matter.

    Radiation that streams freely follows from the metric, delta = 4 (aH h' - k^2 eta) / k^2 and
    theta = -h'/2 (as in CLASS: Blas, Lesgourgues & Tram 2011, 1104.2933), which is then solved for:
    its dipole is at rest in the Newtonian gauge, and shear is left out.
    """
    radiation = (contents.photon + contents.neutrino) / now.a**2
    followed = (
        contents.photon * state.radiation[0, 0] + contents.neutrino * state.radiation[1, 0]
    ) / now.a**2
    pull, k_squared = 1.5 * now.a**2 * density, k * k
    solved = k_squared * state.eta + pull + 1.5 * followed
    free = (k_squared - 6.0 * radiation) * state.eta + pull
    free = free / (1.0 - 12.0 * radiation / k_squared)
    return 2.0 / now.hubble * jnp.where(now.streaming, free, solved)


def _turning(contents: Contents, now: Background, state: State, momentum, expansion, k) -> Array:
    """eta' of the metric (MB eq. 21b), ``momentum`` that of matter."""
    photon, neutrino = contents.photon, contents.neutrino
    followed = k * (photon * state.radiation[0, 1] + neutrino * state.radiation[1, 1])
    free = -2.0 / 3.0 * (photon + neutrino) * expansion
    radiation = jnp.where(now.streaming, free, followed) / now.a**2
    return 1.5 * (now.a**2 * momentum + radiation) / (k * k)


def _ladder(multipoles: Array, rate, distance) -> Array:
    """Free streaming of multipoles (n, l, nk) at ``rate`` = k v after ``distance`` = k int v d tau.

    Both (n or 1, nk). Closed as in MB eq. 51.
    """
    last = multipoles.shape[1] - 1
    order = np.arange(last + 1.0)[None, :, None]
    sponge = _SPONGE * np.clip(2.0 * order / last - 1.0, 0.0, None) ** 2
    lower = jnp.pad(multipoles[:, :-1], ((0, 0), (1, 0), (0, 0)))
    upper = jnp.pad(multipoles[:, 1:], ((0, 0), (0, 1), (0, 0)))
    end = multipoles[:, last - 1] - (last + 1.0) * multipoles[:, last] / distance
    inner = jnp.asarray((order * lower - (order + 1.0) * upper) / (2.0 * order + 1.0))
    inner = inner.at[:, last].set(end)
    return rate[:, None] * (inner - sponge * multipoles)


def _rates(contents, now: Background, state: State, expansion, k) -> State:
    """d state / d ln a without scattering."""
    _, momentum = matter(contents, now, state, k)
    turning = _turning(contents, now, state, momentum, expansion, k)
    shells = _ladder(state.shells, k[None] * now.velocity, k[None] * state.path)
    shells = shells.at[:, 0].add(expansion / 6.0)
    shells = shells.at[:, 2].add(-(expansion / 15.0 + 0.4 * turning))
    radiation = _ladder(state.radiation, k[None], (k * state.time)[None])
    radiation = radiation.at[:2, 0].add(-2.0 / 3.0 * expansion)
    radiation = radiation.at[:2, 2].add(4.0 / 15.0 * expansion + 1.6 * turning)
    rates = State(
        eta=turning,
        cold=-0.5 * expansion,
        baryon=-0.75 * k * state.flow - 0.5 * expansion,
        flow=-now.hubble * state.flow + 4.0 / 3.0 * now.sound_squared * k * state.baryon,
        radiation=jnp.where(now.streaming, 0.0, radiation),
        shells=shells,
        path=now.velocity,
        time=jnp.ones_like(k),
    )
    return jax.tree.map(lambda rate: rate / _beside(now.hubble, rate), rates)


def _beside(values, other: Array) -> Array:
    """``values`` (nk,) with the axes of ``other`` (..., nk) before their own."""
    return values.reshape(*(1,) * (other.ndim - 1), -1)


def _drag(contents, now: Background) -> Array:
    """4 rho_gamma / 3 rho_b, (nk,)."""
    return 4.0 / 3.0 * contents.photon / (contents.baryon * now.a)


def _scattering(contents, now: Background, flow, radiation, expansion, k):
    """d (flow, radiation) / d ln a by scattering (MB eq. 63, 66)."""
    rate = now.opacity / now.hubble
    dipole = jnp.where(now.streaming, -2.0 / 3.0 * expansion / k, radiation[0, 1])
    pi = radiation[0, 2] + radiation[2, 0] + radiation[2, 2]
    change = -_beside(rate, radiation) * radiation
    change = change.at[0, 0].set(0.0).at[1].set(0.0)
    change = change.at[0, 1].set(rate * (flow - dipole)).at[0, 2].add(0.1 * rate * pi)
    change = change.at[2, 0].add(0.5 * rate * pi).at[2, 2].add(0.1 * rate * pi)
    flowing = rate * _drag(contents, now) * (dipole - flow)
    return flowing, jnp.where(now.streaming, 0.0, change)


def _scattered(contents, now: Background, state: State, time, expansion, k) -> State:
    """The state y with y - ``time`` scattering(y) = ``state``; ``time`` (nk,) in ln a."""
    depth = time * now.opacity / now.hubble
    drag = _drag(contents, now) * depth
    dipole, flow = state.radiation[0, 1], state.flow
    total = 1.0 + depth + drag
    pi = state.radiation[0, 2] + state.radiation[2, 0] + state.radiation[2, 2]
    pi = depth * pi / (1.0 + 0.3 * depth)
    radiation = state.radiation.at[0, 1].set((dipole * (1.0 + drag) + depth * flow) / total)
    radiation = radiation.at[0, 2].add(0.1 * pi).at[2, 0].add(0.5 * pi).at[2, 2].add(0.1 * pi)
    radiation = radiation.at[0, 2:].divide(1.0 + depth).at[2].divide(1.0 + depth)
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

    def stage(index, rates, kicks):
        def moved(value, change):
            return value + _beside(step, value) * jnp.tensordot(explicit[index], change, 1)

        made = jax.tree.map(moved, state, rates)
        kicked = (jnp.tensordot(implicit[index], kick, 1) for kick in kicks)
        flow, radiation = (_beside(step, kick) * kick for kick in kicked)
        made = eqx.tree_at(
            lambda s: (s.flow, s.radiation), made, (made.flow + flow, made.radiation + radiation)
        )
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

    def one(carried, index):
        rates, kicks = carried
        made, now, expansion = stage(index, rates, kicks)
        rate = _rates(contents, now, made, expansion, k)
        kick = _scattering(contents, now, made.flow, made.radiation, expansion, k)
        rates, kicks = (
            jax.tree.map(lambda all_, new: all_.at[index].set(new), *pair)
            for pair in ((rates, rate), (kicks, kick))
        )
        return (rates, kicks), None

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
    order = (3, RADIATION_MULTIPOLES + 1, k.shape[0])
    multipoles = jnp.zeros(order).at[:2, 0].set(overdensity).at[0, 1].set(dipole)
    multipoles = multipoles.at[1, 1].set(dipole_free).at[1, 2].set(shear)
    order = (contents.speed.shape[0], SHELL_MULTIPOLES + 1, k.shape[0])
    shells = jnp.zeros(order).at[:, 0].set(-0.25 * overdensity)
    shells = shells.at[:, 1].set(-0.25 * velocity * dipole_free[None])
    shells = shells.at[:, 2].set(-0.25 * velocity**2 * shear[None])
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
