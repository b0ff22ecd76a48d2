//! What is written once over the ports, whatever adapters stand behind them: the process's view of the epochs, and
//! loading through a cache.

pub mod cached;
pub mod epoch_board;
mod flight;
