"""Opacities of active neutrinos from first principles: reactions, phase space, tables."""
