"""What theory knows: exact invariants of singularities, by fractions and polynomial rings; no floats, no models."""
