//! From a granted call to the work that answers it: who is asked, with what, and how the result is
//! written. Nothing here waits.

pub mod completion;
pub mod dispatch;
pub mod grant;
pub mod inputs;
pub mod lists;
pub mod tasks;
pub mod tools;
