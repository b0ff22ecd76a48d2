//! The services on a real store: rights, journal, epochs and rules, with the clock in the test's hand.

mod absences;
mod access;
mod accounts;
mod contents;
mod documents;
mod files;
mod login;
mod payroll;
mod photos;
mod running;
mod settings;
mod shared_files;
mod world;
