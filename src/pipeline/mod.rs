//! The road of a request through the guards to whoever answers, and its one end. Read `road.rs`
//! first: it is the whole program on one page.

pub mod answer;
pub mod batch;
pub mod calls;
pub mod completion;
pub mod dispatch;
pub mod event_sessions;
pub mod exchange;
pub mod inputs;
pub mod lines;
pub mod lists;
pub mod outcome;
pub mod parked;
pub mod pending;
pub mod record;
pub mod render;
pub mod road;
pub mod services;
pub mod snapshot;
pub mod streams;
pub mod task_calls;
pub mod tasks;
pub mod tools;
pub mod waiting;
