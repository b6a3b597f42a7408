//! The lab's tests: whole servers, virtual machines on real firmware, and a real network. One module a test, named as
//! the test is: `make lab TEST=boots_at_all`. They must assert on stored state and on consoles, never on timing.

mod boots_at_all;
