//! Imports of personnel files.
