//! The agent: PID 1 of a diskless server's first stage, init of its second, and its callback helper.

pub mod neighbours;
pub mod sys;
