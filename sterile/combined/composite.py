"""A model made of other models, as one flat model: every parameter is a field with a prefix.

A sum of scalar decay and a thermal relic has fields ``part_1_yukawa`` and ``mass_kev``, so
that configuration, scans, fits and derivatives see an ordinary model. There is one class for every
combination of the classes of its parts, made on demand and remembered; its instances are made by
:func:`sterile.Sum` and :func:`sterile.LateThermalisation`.
"""

import abc
import dataclasses
import functools
from typing import Any, ClassVar, NamedTuple, TypeVar

import jax.numpy as jnp

from sterile.models import Model

MASS = "mass_kev"
# asked of a model as a whole: of one species its parts answer
_SHARED = ("sin2_2theta", "neutrino")


class Layout(NamedTuple):
    """What a composite is made of, hashable.

    Attributes
    ----------
    parts : (prefix of its fields, class) of every part.
    one_mass : whether parts share the field ``mass_kev``: they are one species.
    """

    parts: tuple[tuple[str, type[Model]], ...]
    one_mass: bool


class Composite(Model):
    """A model whose fields are those of its parts, and some of its own.

    A subclass names the ``table`` of [model] that its parts are in, and finds them there.
    """

    layout: ClassVar[Layout]
    table: ClassVar[str]

    @classmethod
    @abc.abstractmethod
    def tables_in(cls, section: dict) -> dict[str, dict]:
        """Prefix → table of every part in a [model] section."""

    def __check_init__(self):
        if hasattr(type(self), "layout"):
            _ = self.parts  # each checks itself
            _require_one_neutrino(self)

    @property
    def parts(self) -> tuple[Model, ...]:
        """The models it is made of."""
        return tuple(
            model(**{name: getattr(self, field) for name, field in fields.items()})
            for (_, model), fields in zip(self.layout.parts, fields_of(self.layout))
        )

    def __getattr__(self, name: str) -> Any:
        if name == MASS and not is_one_species(self):
            return jnp.max(
                jnp.stack(jnp.broadcast_arrays(*(getattr(p, MASS) for p in self.parts))), 0
            )
        if name in _SHARED and is_one_species(self):
            for fields in fields_of(self.layout):
                if name in fields:
                    return getattr(self, fields[name])
        raise AttributeError(f"{type(self).__name__} has no {name!r}")


_Kind = TypeVar("_Kind", bound=Composite)


def fields_of(layout: Layout) -> list[dict[str, str]]:
    """Of every part: its field → the composite's."""
    return [
        {
            name: MASS if name == MASS and layout.one_mass else prefix + name
            for name in _names(model)
        }
        for prefix, model in layout.parts
    ]


def _names(model: type[Model]) -> list[str]:
    return [field.name for field in dataclasses.fields(model)]


def is_one_species(model: Composite) -> bool:
    """Whether all parts make the same particle: one has a mass for all, or none has any."""
    return model.layout.one_mass or not any(has_mass(part) for _, part in model.layout.parts)


@functools.cache
def composite_of(base: type[Composite], layout: Layout) -> type[Composite]:
    """The class of a combination; ``base`` has the fields of its own and the kind."""
    required, optional = {}, {}
    for (_, model), fields in zip(layout.parts, fields_of(layout)):
        for name, field in fields.items():
            stated = model.__dataclass_fields__[name]
            has_default = stated.default is not dataclasses.MISSING
            (optional if has_default else required)[field] = _copied(stated)
    names = ", ".join(model.__name__ for _, model in layout.parts)
    fields = required | optional
    # of the metaclass of its base
    return type(
        f"{base.__name__}[{names}]",
        (base,),
        {
            "__annotations__": dict.fromkeys(fields, Any),
            "__module__": base.__module__,
            "__doc__": base.__doc__,
            "layout": layout,
            **fields,
        },
    )


def _copied(stated: dataclasses.Field) -> Any:
    """A field as that of another class."""
    default = {} if stated.default is dataclasses.MISSING else {"default": stated.default}
    return dataclasses.field(metadata=stated.metadata, kw_only=True, **default)


def combine(base: type[_Kind], named: dict[str, Model], one_mass: bool, **own) -> _Kind:
    """The composite of models, ``named`` by their prefix, with fields of its ``own``."""
    layout = Layout(tuple((prefix, type(model)) for prefix, model in named.items()), one_mass)
    values = {}
    for model, fields in zip(named.values(), fields_of(layout)):
        values |= {field: getattr(model, name) for name, field in fields.items()}
    made = composite_of(base, layout)(**values, **own)
    assert isinstance(made, base)
    return made


def _require_one_neutrino(model: Composite) -> None:
    """Parts of one species are all Majorana particles, or all Dirac particles."""
    if not is_one_species(model):
        return
    kinds = [getattr(part, "neutrino", "majorana") for part in model.parts]
    if len(set(kinds)) > 1:
        odd = next(i for i, kind in enumerate(kinds) if kind != kinds[0])
        raise ValueError(
            f"part 1 ({model.parts[0].kind}) makes a {kinds[0].title()} neutrino and part "
            f"{odd + 1} ({model.parts[odd].kind}) a {kinds[odd].title()} one, which cannot be the "
            "same particle; set neutrino alike"
        )


def has_mass(model: type[Model]) -> bool:
    """Whether a class of models has a mass of its own."""
    return MASS in _names(model) or (
        issubclass(model, Composite) and any(has_mass(part) for _, part in model.layout.parts)
    )
