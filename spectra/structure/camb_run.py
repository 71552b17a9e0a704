"""One way to run CAMB (Lewis, Challinor & Lasenby 2000, astro-ph/9911177): cold dark matter."""

from spectra.cosmology import Cosmology

PIVOT_MPC = 0.05


def run_camb(cosmology: Cosmology, redshifts, k_max_h_mpc: float, per_e_fold: int, needed_for: str):
    """CAMB's results with massless neutrinos, and its version.

    Parameters
    ----------
    cosmology : concrete.
    redshifts : of the transfer functions, falling, at most 256.
    k_max_h_mpc : largest wavenumber [h/Mpc].
    per_e_fold : wavenumbers per e-fold; 0 for CAMB's own choice.
    needed_for : what to call it in the error.

    Raises
    ------
    ValueError
        If CAMB is not installed.
    """
    try:
        import camb
    except ImportError:
        raise ValueError(
            f"{needed_for} needs CAMB, which is not installed; pip install camb"
        ) from None
    fields = {name: float(value) for name, value in vars(cosmology).items()}
    settings = camb.CAMBparams()
    settings.set_cosmology(
        H0=100.0 * fields["h"],
        ombh2=fields["omega_b"],
        omch2=fields["omega_dm"],
        mnu=0.0,
        num_massive_neutrinos=0,
        nnu=fields["n_eff"],
        TCMB=fields["t_cmb_kelvin"],
        YHe=fields["y_he"],
    )
    settings.InitPower.set_params(As=fields["a_s"], ns=fields["n_s"], pivot_scalar=PIVOT_MPC)
    settings.WantCls = False
    settings.set_matter_power(
        redshifts=list(redshifts),
        kmax=k_max_h_mpc * fields["h"],
        k_per_logint=per_e_fold,
        nonlinear=False,
        silent=True,
    )
    settings.Transfer.high_precision = True
    return camb.get_results(settings), camb.__version__
