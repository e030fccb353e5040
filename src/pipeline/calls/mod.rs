//! Calls that take their time: their place among those that wait, their runs and rests, the tasks
//! that some of them become, and their one answer.

pub mod outcome;
pub mod parked;
pub mod pending;
pub mod permits;
pub mod task;
mod task_questions;
pub mod tasks;
pub mod tool_places;
pub mod waiting;
