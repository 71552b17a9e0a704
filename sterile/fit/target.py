"""The function that is fitted: priors and likelihoods over unbounded coordinates."""

from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from sterile.fit import likelihoods, priors
from sterile.fit.likelihoods import Normal, Term
from sterile.fit.priors import Prior

# a potential energy that no trajectory climbs: where the likelihood is zero or does not exist
WALL = 1e6


class Target(eqx.Module):
    """Priors, likelihood terms, and the function that makes observables of parameters.

    With a likelihood for omega_h2 and no mass fixed elsewhere or the model's own, ln(Omega h^2) is
    sampled in place of ln m_N: Omega h^2 = 275.9 (m_N/keV) Y_N is linear in m_N, so the change
    has unit Jacobian, and the sheet of one per cent that the measurement cuts out of parameter
    space becomes a slab. The prior of the mass, if there is one, is that of the mass which
    follows; without one it is
    flat in ln m_N.

    Attributes
    ----------
    observe : (values, names) -> {name: number or Verdict}, such as
        :class:`sterile.fit.observables.Pipeline`; a pytree.
    priors : parameter → :class:`Prior`.
    terms : likelihood terms, at most one an observable.
    """

    observe: Callable
    priors: dict[str, Prior] = eqx.field(converter=priors.in_order)
    terms: tuple[Term, ...]

    def __check_init__(self):
        names = [term.observable for term in self.terms]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"likelihood {name} is given twice; remove one")
        if not self.priors:
            raise ValueError("there are no priors: nothing to fit; give one per free parameter")
        if "omega_h2" in self.priors and "mass_kev" in self.priors:
            raise ValueError(
                "priors of omega_h2 and mass_kev are both given, but each fixes the other; remove "
                "one of them"
            )

    @property
    def measured_abundance(self) -> Normal | None:
        """The omega_h2 term, if ln(Omega h^2) is sampled in place of ln m_N."""
        fixed = (
            getattr(self.observe, "mass_kev", None) is not None and "mass_kev" not in self.priors
        )
        # a mass of the model's own is one of its parameters
        fixed = fixed or hasattr(getattr(self.observe, "model", None), "mass_kev")
        if fixed or "omega_h2" in self.priors:
            return None
        return next(
            (t for t in self.terms if isinstance(t, Normal) and t.observable == "omega_h2"), None
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The sampled parameters, in the order of the coordinates."""
        if self.measured_abundance is None:
            return tuple(self.priors)
        return (*(name for name in self.priors if name != "mass_kev"), "omega_h2")


class Evaluated(eqx.Module):
    """One evaluation of a target.

    Attributes
    ----------
    values : parameter → value, the mass included where it is derived.
    log_prior, log_likelihood : scalars; the density is in the priors' natural coordinates.
    log_stretch : log |d natural / d unbounded|, scalar.
    residuals : (m,) r_i with log L_i = -r_i^2/2.
    numbers : (k,) what :func:`log_density_of` needs, smooth in the coordinates.
    terms : observable → log likelihood of its term, scalars.
    seen : what was asked for beside, name → number.
    """

    values: dict[str, Array]
    log_prior: Array
    log_likelihood: Array
    log_stretch: Array
    residuals: Array
    numbers: Array
    terms: dict[str, Array]
    seen: dict[str, Array]

    @property
    def log_density(self) -> Array:
        """Log posterior density in z, scalar, not normalised; minus infinity where it is none."""
        density = self.log_prior + self.log_likelihood + self.log_stretch
        return jnp.where(jnp.isfinite(density), density, -jnp.inf)


def values_at(target: Target, z: Array) -> dict[str, Array]:
    """Parameter of ``target`` → value at unbounded coordinates ``z`` (d,), those sampled only."""
    return {name: value for name, value, _, _ in _coordinates(target, z)}


def _coordinates(target, z):
    """(name, value, log prior, log stretch) of every sampled parameter."""
    abundance = target.measured_abundance
    for name, number in zip(target.names, z):
        if abundance is not None and name == "omega_h2":
            width = abundance.sigma / abundance.mean
            yield name, abundance.mean * jnp.exp(width * number), 0.0, jnp.log(width)
            continue
        prior = target.priors[name]
        s = priors.natural(prior, number)
        yield (
            name,
            priors.value_of(prior, s),
            priors.log_density(prior, s),
            priors.log_stretch(prior, number),
        )


def coordinates_of(target: Target, values: Mapping[str, float]) -> Array:
    """Unbounded coordinates (d,) of a target's parameter ``values``, as :func:`values_at` undoes.

    ``target``: whose parameters they are; every sampled one has to be among the values.
    """
    abundance, z = target.measured_abundance, []
    for name in target.names:
        value = jnp.asarray(values[name], dtype=float)
        if abundance is not None and name == "omega_h2":
            z.append(jnp.log(value / abundance.mean) * abundance.mean / abundance.sigma)
        else:
            z.append(priors.unbounded(target.priors[name], value))
    return jnp.stack(z)


def observed_names(target: Target) -> tuple[str, ...]:
    """What a target asks its observables for."""
    names = [term.observable for term in target.terms]
    if target.measured_abundance is not None:
        names.append("mass_kev")
    return tuple(names)


def evaluate(target: Target, z: Array, also: tuple[str, ...] = ()) -> Evaluated:
    """Everything about one point; works under jit, vmap and grad.

    Parameters
    ----------
    z : (d,) unbounded coordinates, in the order of ``target.names``.
    also : scalars of the point that are asked for beside; static.
    """
    values = values_at(target, z)
    asked = tuple(dict.fromkeys((*observed_names(target), *also)))
    seen = target.observe(values, asked) if asked else {}
    if target.measured_abundance is not None:
        values["mass_kev"] = seen["mass_kev"]
    log_prior, stretch = _prior_at(target, z, seen.get("mass_kev"))
    found = {t.observable: likelihoods.log_likelihood(t, seen[t.observable]) for t in target.terms}
    residuals = [likelihoods.residual(t, seen[t.observable]) for t in target.terms]
    numbers = [likelihoods.number(t, seen[t.observable]) for t in target.terms]
    if _mass_follows(target):
        numbers.append(jnp.log(seen["mass_kev"]))
    return Evaluated(
        values=values,
        log_prior=log_prior,
        log_likelihood=jnp.asarray(sum(found.values(), start=jnp.zeros(()))),
        log_stretch=stretch,
        residuals=jnp.stack(residuals) if residuals else jnp.zeros(0),
        numbers=jnp.stack(numbers) if numbers else jnp.zeros(0),
        terms=found,
        seen={name: seen[name] for name in also},
    )


def _mass_follows(target: Target) -> bool:
    """Whether the prior of the mass is that of a mass which the pipeline gives."""
    return target.measured_abundance is not None and "mass_kev" in target.priors


def _prior_at(target: Target, z: Array, mass) -> tuple[Array, Array]:
    """Log prior and log stretch at ``z``; ``mass``: the one that follows, if it has a prior."""
    parts = list(_coordinates(target, z))
    log_prior = sum(part for _, _, part, _ in parts)
    stretch = sum(part for _, _, _, part in parts)
    if _mass_follows(target):
        prior = target.priors["mass_kev"]
        s = jnp.log(mass) if prior.logarithmic else mass
        log_prior = log_prior + priors.log_density(prior, s)
        if not prior.logarithmic:  # ds/dln m_N, as dln m_N = dln Omega
            stretch = stretch + jnp.log(mass)
    return jnp.asarray(log_prior), jnp.asarray(stretch)


def log_density_of(target: Target, z: Array, numbers: Array) -> Array:
    """The log density at ``z`` (d,) if the pipeline had given ``numbers`` (k,): scalar.

    With those of :class:`Evaluated` it is the density itself. ``target``: whose priors and terms.
    """
    found = [likelihoods.log_likelihood_of(t, u) for t, u in zip(target.terms, numbers)]
    mass = jnp.exp(numbers[-1]) if _mass_follows(target) else None
    log_prior, stretch = _prior_at(target, z, mass)
    return log_prior + stretch + sum(found, start=jnp.zeros(()))


def potential(target: Target, z: Array, stretch: bool = True) -> Array:
    """Minus the log posterior density, scalar, not normalised; WALL where it is not finite.

    Parameters
    ----------
    z : (d,) unbounded coordinates.
    stretch : whether the density is one in ``z`` (for sampling) or in the priors' natural
        coordinates (for the maximum a posteriori).
    """
    found = evaluate(target, z)
    density = found.log_prior + found.log_likelihood + (found.log_stretch if stretch else 0.0)
    finite = jnp.isfinite(density)
    return jnp.where(finite, -jnp.where(finite, density, 0.0), WALL)


@eqx.filter_jit
def evaluated(target: Target, z: Array, also: tuple[str, ...] = ()) -> Evaluated:
    """:func:`evaluate`, compiled: one program for searches, chains and what follows from draws.

    ``target`` at unbounded coordinates ``z`` (d,); ``also``: scalars that are asked for beside.
    """
    return evaluate(target, z, also)


@eqx.filter_jit
def value_and_gradient(target: Target, z: Array, stretch: bool = True) -> tuple[Array, Array]:
    """The compiled potential and its gradient (d,): one program for searches and samplers.

    ``target`` at unbounded coordinates ``z`` (d,); ``stretch``: whether the density is one in z.
    """
    return jax.value_and_grad(lambda z: potential(target, z, stretch))(z)
