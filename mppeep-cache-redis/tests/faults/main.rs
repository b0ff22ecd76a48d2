//! Redis refusing, hanging, dying, forgetting, full, out of step; and the adapter in front of it.

mod answers;
mod deadlines;
mod memory;
mod mixing;
mod pubsub;
mod recovery;
mod security;
mod support;
mod toxic;
