"""Public functions say the type of every argument and of their result."""

import importlib
import inspect

import pytest

pytestmark = pytest.mark.invariants


@pytest.mark.parametrize(
    "package",
    ["spectra", "sterile", "sterile.scan", "sterile.fit", "sterile.parents", "sterile.mixing"],
)
def test_public_functions_are_annotated(package):
    module = importlib.import_module(package)
    missing = []
    for name in module.__all__:
        found = getattr(module, name)
        if callable(found) and not inspect.isclass(found):
            signature = inspect.signature(found)
            types = {key: one.annotation for key, one in signature.parameters.items()}
            types["return"] = signature.return_annotation
            missing += [
                f"{name}: {key}" for key, one in types.items() if one is inspect.Signature.empty
            ]
    assert not missing
