//! From a capture to verdicts.
