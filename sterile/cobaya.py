"""cobaya: a ``Theory`` that solves models of this package, and a ``Likelihood`` of its verdicts.

For cobaya 3.6; ``pip install 'sterile-spectra[cobaya]'``. In an input file they are
``sterile.cobaya.Sterile`` and ``sterile.cobaya.Verdicts``; runs/cobaya.yaml is an example. What is
wrong with the input is said in one line, a ``LoggedError``.
"""

from collections.abc import Mapping

import numpy as np
from cobaya.likelihood import Likelihood
from cobaya.log import LoggedError
from cobaya.theories.cosmo.boltzmannbase import PowerSpectrumInterpolator
from cobaya.theory import Theory

from spectra.class_like import ClassLike
from spectra.linear import K_RANGE_H_MPC
from sterile import config as configuration
from sterile import session
from sterile.fit import Margin, Normal, Published, likelihoods, observables, settings
from sterile.names import require_name
from sterile.status import is_failure, message_of

SPECTRUM, TRANSFER, VERDICTS = "sterile_spectrum", "sterile_transfer", "sterile_verdicts"
_POWER = ("Pk_grid", "Pk_interpolator")
# of neutrinos without mass: total matter is all that clusters
_PAIRS = ({"delta_tot"}, {"delta_nonu"})
_LOWEST_K_MPC, _PER_E_FOLD = 1e-4, 60
_FEWEST_REDSHIFTS = 4  # of cobaya's interpolator


class Sterile(Theory):
    """A model of this package at sampled parameters, through the whole pipeline.

    Input parameters: those of the model, ``mass_kev`` or ``omega_h2``, and ``h``, ``omega_b``,
    ``omega_dm``, ``n_eff`` (to 3 % from the configuration's), ``n_s``, ``a_s``. Derived parameters:
    the scalars of a result, such as ``k_t2_half_h_mpc``. Products: ``Pk_grid`` and
    ``Pk_interpolator`` as cobaya's own theories give them (1/Mpc and Mpc^3, linear, total matter),
    ``sterile_spectrum`` (:class:`spectra.Spectrum`), ``sterile_transfer``
    (:class:`spectra.Transfer`) and ``sterile_verdicts`` (name → :class:`spectra.Verdict`).

    Attributes
    ----------
    config : a run's TOML file, or its content, without what is sampled.
    """

    config: str | Mapping = {}

    def initialize(self) -> None:
        """Read the configuration; parameters of this block of the input are looked at as well."""
        session.start()
        content = self.config
        self._content = dict(self._said(configuration.read, content, "configuration", _as_it_is))
        self._entry = self._said(configuration.mechanism_in, self._content)
        self._known = observables.fitted_parameters(self._entry)
        self._scalars = observables.scalars(self._entry)
        self._wanted: set[str] = set()
        self._redshifts: set[float] = set()
        self._k_max = 0.0
        self._told: set[str] = set()
        known = [*self._known, *self._scalars]
        for name in getattr(self, "params", None) or {}:
            self._said(require_name, name, known, "unknown parameter '{}' of " + self.get_name())

    def _said(self, function, *arguments):
        """What ``function`` returns; its complaint as one line of cobaya's log."""
        try:
            return function(*arguments)
        except (ValueError, FileNotFoundError) as error:
            raise LoggedError(self.log, "%s", error) from None

    def initialize_with_params(self) -> None:
        """Prepare what every point needs, once it is known what is sampled."""
        names = tuple(self.input_params)
        content = self._said(
            settings.completed, self._content, names, self._entry, "is sampled by cobaya"
        )
        run = self._said(configuration.check, content)
        self._model = self._said(configuration.model_of, run)
        self._prepared = None
        self._run, self._names = run, names

    def get_can_support_params(self) -> list[str]:
        """Input parameters."""
        return list(self._known)

    def get_can_provide_params(self) -> list[str]:
        """Derived parameters."""
        return [name for name in self._scalars if name not in self.input_params]

    def get_can_provide(self) -> list[str]:
        """Products that ``get_result`` returns."""
        return [SPECTRUM, TRANSFER, VERDICTS]

    def must_provide(self, **requirements) -> None:
        """Note what is asked for; ``requirements``: product → options."""
        super().must_provide(**requirements)
        for name, options in requirements.items():
            self._wanted.add(name)
            if name in _POWER:
                self._note_power(options or {})

    def _note_power(self, options: Mapping) -> None:
        """What of P(k, z) is asked for: redshifts, largest k, which pairs."""
        if np.any(options.get("nonlinear", True)):
            raise LoggedError(
                self.log, "nonlinear = True is not available: P(k) is linear; ask for False"
            )
        for pair in options.get("vars_pairs") or [("delta_tot", "delta_tot")]:
            if set(pair) not in _PAIRS:
                raise LoggedError(
                    self.log, "P(k) of %s is not available; ask for delta_tot", tuple(pair)
                )
        self._k_max = max(self._k_max, float(options.get("k_max", 0.0)))
        self._redshifts |= {float(z) for z in np.atleast_1d(options.get("z", 0.0))}

    def calculate(self, state: dict, want_derived: bool = True, **params_values_dict):
        """Solve one point into ``state``; False where it has no result.

        ``want_derived``: whether derived parameters are wanted; ``params_values_dict``: values.
        """
        if self._prepared is None:
            self._prepared = self._said(self._prepare)
        values = {name: params_values_dict[name] for name in self._names}
        try:
            model, point, cosmology = observables.point_at(self._prepared, values, None)
        except ValueError as error:
            return self._without_result(str(error))
        if is_failure(int(point.status)):
            return self._without_result(message_of(int(point.status)))
        state[SPECTRUM], state[TRANSFER] = point.spectrum, point.transfer
        if VERDICTS in self._wanted:
            state[VERDICTS] = observables.report_on(self._prepared, model, point, cosmology)
        if self._wanted & set(_POWER):
            state["power"] = self._power(point.spectrum, cosmology)
        if want_derived:
            state["derived"] = {name: float(getattr(point, name)) for name in self.output_params}
        return True

    def _prepare(self) -> observables.Pipeline:
        asked = (*self._scalars, "half-mode") if VERDICTS in self._wanted else self._scalars
        return observables.pipeline(
            self._model,
            configuration.cosmology_of(self._run),
            configuration.plasma_of(self._run),
            mass_kev=self._run.dark_matter.mass_kev,
            omega_h2=configuration.target_omega_h2(self._run),
            vary=self._names,
            observe=asked,
        )

    def _without_result(self, why: str) -> bool:
        """Say once why points have none: cobaya counts them as impossible in silence."""
        kind = why.partition("=")[0]
        if kind not in self._told:
            self._told.add(kind)
            self.log.warning("a point counts as impossible: %s", why)
        return False

    def _power(self, spectrum, cosmology) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """k [1/Mpc], z, both rising, and P (nz, nk) [Mpc^3]."""
        h, z = float(cosmology.h), sorted(self._redshifts)
        k_max = max(self._k_max, 10.0 * _LOWEST_K_MPC)
        if k_max > K_RANGE_H_MPC[1] * h:
            raise LoggedError(
                self.log,
                "k_max = %g 1/Mpc is beyond %g h/Mpc, where P(k) is solved for; ask for less",
                k_max,
                K_RANGE_H_MPC[1],
            )
        if len(z) < _FEWEST_REDSHIFTS:
            z = sorted({*z, *np.linspace(0.0, max(*z, 1.0), _FEWEST_REDSHIFTS)})
        count = int(np.ceil(_PER_E_FOLD * np.log(k_max / _LOWEST_K_MPC))) + 1
        k = np.geomspace(_LOWEST_K_MPC, k_max, count)
        prepared = self._prepared
        assert prepared is not None  # made before anything is asked for
        source = ClassLike(spectrum, cosmology, drive=prepared.drive, power=prepared.power)
        return k, np.array(z), np.array([source.pk_lin(k, one) for one in z])

    def get_Pk_grid(self, var_pair=("delta_tot", "delta_tot"), nonlinear: bool = False):
        """k [1/Mpc], z, both rising, and P (nz, nk) [Mpc^3]; ``var_pair`` and ``nonlinear`` as
        they were asked for."""
        return self.current_state["power"]

    def get_Pk_interpolator(
        self,
        var_pair=("delta_tot", "delta_tot"),
        nonlinear: bool = False,
        extrap_kmin: float | None = None,
        extrap_kmax: float | None = None,
    ) -> PowerSpectrumInterpolator:
        """cobaya's interpolator of :meth:`get_Pk_grid`, with power laws to ``extrap_kmin`` and
        ``extrap_kmax`` [1/Mpc]; ``var_pair`` and ``nonlinear`` as they were asked for."""
        k, z, power = self.get_Pk_grid(var_pair, nonlinear)
        return PowerSpectrumInterpolator(
            z, k, np.log(power), logP=True, extrap_kmin=extrap_kmin, extrap_kmax=extrap_kmax
        )


class Verdicts(Likelihood):
    """Log likelihood of measured scalars and of constraints, as [fit.likelihood] of `sterile fit`.

    Attributes
    ----------
    terms : name → {mean, sigma} of a scalar such as omega_h2, {margin_sigma} of a constraint's
        margin, or {}: the constraint's own likelihood.
    """

    terms: Mapping = {}

    def initialize(self) -> None:
        """Read the terms."""
        if not self.terms:
            raise LoggedError(self.log, "terms is empty; give at least one, such as omega_h2")
        self._terms = [self._term(name, given or {}) for name, given in self.terms.items()]

    def _term(self, name: str, given: Mapping) -> likelihoods.Term:
        try:
            section = settings.likelihood_section(name, given)
            if section.mean is not None:
                return Normal(name, section.mean, section.sigma)
            if section.margin_sigma is not None:
                return Margin(name, section.margin_sigma)
        except ValueError as error:
            raise self._complaint(name, error) from None
        return Published(name)

    def _complaint(self, name: str, error: ValueError) -> LoggedError:
        said = str(error).replace(f"[fit.likelihood.{name}]", f"terms {name}:")
        return LoggedError(self.log, "%s", said)

    def get_requirements(self) -> dict:
        """Scalars by name, and the verdicts if a constraint is among the terms."""
        scalars = [term.observable for term in self._terms if isinstance(term, Normal)]
        verdicts = len(scalars) < len(self._terms)
        return {**dict.fromkeys(scalars), **({VERDICTS: None} if verdicts else {})}

    def logp(self, **params_values) -> float:
        """The sum of all terms; minus infinity where one does not exist."""
        total = 0.0
        provider = self.provider
        assert provider is not None  # cobaya's, once the model stands
        for term in self._terms:
            name = term.observable
            try:
                if isinstance(term, Normal):
                    seen = provider.get_param(name)
                else:
                    report = provider.get_result(VERDICTS)
                    seen = observables.constraint_in(report, name, ())
                total += float(likelihoods.log_likelihood(term, seen))
            except ValueError as error:
                raise self._complaint(name, error) from None
        return total if np.isfinite(total) else -np.inf


def _as_it_is(content: dict, text: str) -> dict:
    return content
