//! Real servers for mppeep's tests, started privately.
