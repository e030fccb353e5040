//! The threads: each owns something and waits for one kind of thing. They do not name each other;
//! they meet in the traits of the pipeline and in `mailbox.rs`.

pub mod admin;
pub mod admin_socket;
pub mod audit;
pub mod audit_file;
mod deadlines;
pub mod handlers;
pub mod listener;
pub mod mailbox;
pub mod outbound;
pub mod reactor;
pub mod settings;
pub mod stdio;
pub mod worker;
