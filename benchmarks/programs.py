"""What the compiler is given: lines of StableHLO, and processor time to trace, lower and compile.

    python benchmarks/programs.py [LAMBDA]        # 1e-8: freeze-in; 1e-4: freeze-out

One line a program of ``sterile solve`` at m_S = 100 GeV, y = 1e-9, at every effort of
``spectra.programs``, with the time of one call.
"""

import sys
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

import spectra  # noqa: E402
import sterile  # noqa: E402
from spectra import programs  # noqa: E402
from spectra.linear import (  # noqa: E402
    drive_for,
    own_wavenumbers,
    transfer_function,
    velocity_grid,
    without_particles,
)
from spectra.structure import (  # noqa: E402
    all_verdicts,
    published_bounds,
    reference_masses,
    reference_relics,
)
from spectra.structure.momenta import of_momenta  # noqa: E402
from spectra.structure.published_verdicts import excess_masses_kev  # noqa: E402
from sterile import bounds, pipeline, production  # noqa: E402


def report(name: str, program: programs.Program, *arguments) -> None:
    leaves, tree = jax.tree.flatten(arguments)
    arrays = [leaf for leaf in leaves if hasattr(leaf, "dtype")]

    def flat(values):
        given = iter(values)
        filled = [next(given) if hasattr(leaf, "dtype") else leaf for leaf in leaves]
        return jax.tree.leaves(program.__wrapped__(*jax.tree.unflatten(tree, filled)))

    marks = [time.process_time()]
    traced = jax.jit(flat).trace(arrays)
    marks.append(time.process_time())
    lowered = traced.lower()
    marks.append(time.process_time())
    lines = lowered.as_text().count("\n")
    words = [f"{name:18} {lines:6d} {marks[1] - marks[0]:6.2f} {marks[2] - marks[1]:6.2f}"]
    for options in programs.EFFORTS.values():
        began = time.process_time()
        compiled = lowered.compile(options)
        spent = time.process_time() - began
        with programs.one_matrix_thread():
            jax.block_until_ready(compiled(arrays))
            best = min(_call(compiled, arrays) for _ in range(7))
        words.append(f"{spent:6.2f} {1e3 * best:8.2f}")
    print("   ".join(words), flush=True)


def _call(compiled, arrays) -> float:
    began = time.perf_counter()
    jax.block_until_ready(compiled(arrays))
    return time.perf_counter() - began


def asked(coupling: float) -> list[tuple[str, programs.Program, tuple]]:
    """Each program of ``sterile solve`` by name, with what it is called with."""
    model, plasma = sterile.ScalarDecay(100.0, coupling, 1e-9), sterile.Plasma()
    cosmology, grid = spectra.Cosmology(), sterile.choose_grid(model)
    drive, power = spectra.drive(), spectra.power_table()
    relics = reference_relics(reference_masses())
    point = sterile.evaluate(model)
    made = point.production
    today = (made.q, made.f, made.yield_n, jnp.asarray(5e7), cosmology, None, jnp.asarray(0.12))
    today = (*today, velocity_grid(drive, cosmology))
    relic = pipeline.relic(*today)
    slow = without_particles(relic.velocities), cosmology, drive_for(cosmology, drive)
    slow = (*slow, own_wavenumbers(drive), None, "never")
    measured_by = point.transfer, relic.too_heavy, made.status, cosmology, power
    measured = pipeline.measured_of(vars(point))
    published = published_bounds()
    momenta = (point.spectrum, cosmology, excess_masses_kev(published))
    judged = (None, of_momenta(*momenta), point.transfer, cosmology, power, relics, measured)
    masses = all_verdicts.REFERENCE_MASSES_KEV
    bounded = bounds.Judged(point.spectrum, point.omega_h2, point.mass_kev, point.numbers, plasma)
    return [
        ("solve", production.solve_compiled, (model, plasma, grid, False)),
        ("solve with error", production.solve_compiled, (model, plasma, grid, True)),
        ("relic", pipeline.relic, today),
        ("transfer", transfer_function._transfer, slow),
        ("structure", pipeline.structure, measured_by),
        ("momenta", of_momenta, momenta),
        ("verdicts", all_verdicts._judge, (*judged, masses, (), published)),
        ("bounds", bounds._report, (model, bounded, cosmology, None)),
    ]


def main(coupling: float) -> None:
    efforts = "   ".join(f"{name + ' [s]':>8} {'[ms]':>6}" for name in programs.EFFORTS)
    print(f"{'program':18} {'lines':>6} {'trace':>6} {'lower':>6}   {efforts}")
    for name, program, arguments in asked(coupling):
        report(name, program, *arguments)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1e-8)
