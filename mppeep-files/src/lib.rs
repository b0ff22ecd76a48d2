//! Contents of files: a folder that keeps them, what recognises them, and the making of photographs.
//!
//! Contents are opaque here: a file on the disk is named by its identifier, never by what a person called it.

mod folder;
mod photo;
mod sniffer;

pub use folder::FolderStore;
pub use photo::ImagePhotoMaker;
pub use sniffer::MagicSniffer;
