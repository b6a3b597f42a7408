//! Updates of firmware as the agent carries them out: hostile archives, programs that fail, hang, flood and leave
//! children behind, and a whole update from a server that gives it. As a normal user, on a normal machine.
mod archive;
mod run;
mod whole;
