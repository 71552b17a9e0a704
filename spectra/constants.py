"""Physical constants, one source per value. Natural units (GeV) unless the name says otherwise.

Sources
-------
[SI]     SI 2019 exact values: c, h, e, k_B.
[CODATA] CODATA 2018: Newton's constant, Fermi constant via PDG.
[PDG]    Particle Data Group, Review of Particle Physics (2022), summary tables.
[IAU]    IAU 2012 B2 (astronomical unit, hence the parsec) and IAU 2015 B3 (GM_sun).
[F09]    Fixsen 2009 (0911.1955): CMB temperature.
[SS18]   Saikawa & Shirai 2018 (1803.01038), appendix C: g_s today.
"""

import math

# --- mathematics --------------------
ZETA_3 = 1.2020569031595942  # Riemann zeta(3), DLMF 25.6
ZETA_5 = 1.0369277551433699  # Riemann zeta(5), DLMF 25.6

# --- exact or conventional --------------------
SPEED_OF_LIGHT_M_S = 299792458.0  # [SI]
SPEED_OF_LIGHT_KM_S = 299792.458  # [SI]
PLANCK_J_S = 6.62607015e-34  # [SI]
ELEMENTARY_CHARGE_C = 1.602176634e-19  # [SI]
BOLTZMANN_J_K = 1.380649e-23  # [SI]
PARSEC_M = 3.0856775814913673e16  # [IAU]
MEGAPARSEC_M = 1e6 * PARSEC_M
SOLAR_MASS_PARAMETER_M3_S2 = 1.3271244e20  # [IAU] nominal G M_sun

# --- gravity --------------------
NEWTON_M3_KG_S2 = 6.67430e-11  # [CODATA]
HBAR_J_S = PLANCK_J_S / (2.0 * math.pi)
GEV_J = 1e9 * ELEMENTARY_CHARGE_C
HBAR_GEV_S = HBAR_J_S / GEV_J
KELVIN_GEV = BOLTZMANN_J_K / GEV_J
# M_pl = sqrt(hbar c^5 / 8 pi G), 2.435323e18 GeV
REDUCED_PLANCK_MASS_GEV = (
    math.sqrt(HBAR_J_S * SPEED_OF_LIGHT_M_S**5 / (8.0 * math.pi * NEWTON_M3_KG_S2)) / GEV_J
)

# --- cosmology --------------------
CMB_TEMPERATURE_KELVIN = 2.7255  # [F09]
CMB_TEMPERATURE_GEV = CMB_TEMPERATURE_KELVIN * KELVIN_GEV
ENTROPY_DEGREES_OF_FREEDOM_TODAY = 3.931  # [SS18] g_s(T -> 0), includes neutrino heating by e+e-
HUBBLE_100_GEV = 1e5 / MEGAPARSEC_M * HBAR_GEV_S  # 100 km/s/Mpc
CRITICAL_DENSITY_OVER_H2_GEV4 = 3.0 * HUBBLE_100_GEV**2 * REDUCED_PLANCK_MASS_GEV**2
# rho_crit / h^2 in Msun / Mpc^3 = 2.77536627e11
CRITICAL_DENSITY_MSUN_MPC3 = (
    3.0 * (1e5 / MEGAPARSEC_M) ** 2 / (8.0 * math.pi) * MEGAPARSEC_M**3 / SOLAR_MASS_PARAMETER_M3_S2
)
NEUTRINO_TEMPERATURE_RATIO = (4.0 / 11.0) ** (1.0 / 3.0)  # instantaneous decoupling

# --- electroweak --------------------
HIGGS_VEV_GEV = 246.22  # [PDG] (sqrt(2) G_F)^(-1/2)
HIGGS_MASS_GEV = 125.25  # [PDG]
HIGGS_WIDTH_GEV = 4.1e-3  # [PDG] Standard Model prediction
W_MASS_GEV = 80.379  # [PDG]
Z_MASS_GEV = 91.1876  # [PDG]
TOP_MASS_GEV = 172.7  # [PDG] direct measurements
BOTTOM_MASS_GEV = 4.18  # [PDG] m_b(m_b)
CHARM_MASS_GEV = 1.27  # [PDG] m_c(m_c)
CHARM_POLE_MASS_GEV = 1.67  # [PDG] +- 0.07
STRANGE_MASS_GEV = 0.0934  # [PDG] m_s(2 GeV)
TAU_MASS_GEV = 1.77686  # [PDG]
MUON_MASS_GEV = 0.105658  # [PDG]
ELECTRON_MASS_GEV = 0.51099895e-3  # [PDG]
W_WIDTH_GEV = 2.085  # [PDG]
Z_WIDTH_GEV = 2.4952  # [PDG]
STRONG_COUPLING_Z = 0.1179  # [PDG] alpha_s(m_Z)
WEAK_MIXING_SIN2 = 0.23121  # [PDG] sin^2 theta_W, MS-bar at m_Z
# |V_qq'|, rows u and c, columns d, s, b [PDG]
CKM = ((0.97373, 0.2243, 0.00382), (0.221, 0.975, 0.0408))

# --- hadrons --------------------
PION_MASS_GEV = 0.13957  # [PDG] charged
KAON_MASS_GEV = 0.493677  # [PDG] charged
OMEGA_MASS_GEV = 0.78266  # [PDG] omega(782)
PHI_MASS_GEV = 1.019461  # [PDG]
KSTAR_MASS_GEV = 0.89167  # [PDG] K*(892), charged, hadroproduced
KSTAR_WIDTH_GEV = 0.0514  # [PDG]
A1_MASS_GEV = 1.230  # [PDG] a_1(1260)
NUCLEON_MASS_GEV = 0.938919  # [PDG] mean of p and n
PION_DECAY_CONSTANT_GEV = 0.1302  # [PDG] review of leptonic decays, 130.2 MeV convention
KAON_DECAY_CONSTANT_GEV = 0.1557  # [PDG] the same
# <0|q q|V> = f m, from the widths to e+e- [PDG] 7.04, 0.60 and 1.27 keV
RHO_DECAY_CONSTANT_GEV = 0.221
OMEGA_DECAY_CONSTANT_GEV = 0.195
PHI_DECAY_CONSTANT_GEV = 0.2286
A1_DECAY_CONSTANT_GEV = 0.234  # as a narrow state, of tau -> 3 pi nu, 0.1857 [PDG]
NUCLEON_AXIAL_COUPLING = 1.2754  # [PDG] |g_A/g_V| of the neutron
# of form factors of the proton, the usual 0.71, a radius of 0.81 fm; recalled, what others do is
# in docs/opacities.md
NUCLEON_DIPOLE_GEV2 = 0.71
