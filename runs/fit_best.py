"""A best fit and a forecast from the shipped files, by the same call as the command's.

python runs/fit_best.py                 # some minutes on two cores, most of it compiling
"""

import json

from sterile import fit


def main():
    for name in ("fit-map", "fit-fisher"):
        summary = fit.run(f"runs/{name}.toml", f"{name}.h5", progress=print)
        print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
