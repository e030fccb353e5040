//! The road of a request through the guards to whoever answers, and its one end. Read `road.rs`
//! first: it is the whole program on one page.

pub mod answer;
pub mod batch;
pub mod calls;
pub mod event_sessions;
pub mod exchange;
mod identify;
pub mod lines;
pub mod messages;
mod notices;
pub mod record;
pub mod render;
pub mod replies;
pub mod road;
pub mod seats;
pub mod services;
pub mod snapshot;
pub mod streams;
pub mod upgrades;
pub mod work;
