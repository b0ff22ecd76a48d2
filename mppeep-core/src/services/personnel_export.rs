//! Exports of personnel files.
