"""``sterile info``: what a bug report needs."""

import json

from sterile import session
from sterile.cli.options import Json


def info(as_json: Json = False) -> None:
    """Versions, devices, precision and cache: what a bug report needs."""
    session.start()
    import importlib.metadata
    import platform

    import jax

    from spectra.files import package_version
    from spectra.precision import is_x64

    packages = ("jax", "jaxlib", "equinox", "numpy", "scipy", "h5py", "matplotlib")
    facts = {
        "sterile_spectra": package_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: importlib.metadata.version(name) for name in packages},
        "devices": [str(device) for device in jax.devices()],
        "x64": is_x64(),
        "cache": str(session.cache_directory()),
    }
    if as_json:
        print(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {', '.join(fact) if isinstance(fact, list) else fact}")
