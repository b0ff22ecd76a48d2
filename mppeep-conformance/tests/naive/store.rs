//! Naive stores.
