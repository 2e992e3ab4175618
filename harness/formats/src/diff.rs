//! Disagreements between readers: found, classed, signed, minimised.
