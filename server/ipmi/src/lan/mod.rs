//! RMCP+ (IPMI 2.0 over UDP): a client of our own, asynchronous, one socket a BMC. `packet`, `message`, `rakp` and `crypto`
//! are pure; `wire` has the socket; `handshake` logs in; `session` is what callers use. `sol` and `line` are the serial
//! line over it, pure too, and `console` is what callers use of them. A BMC that offers less than cipher suite 3 is refused.

mod console;
mod crypto;
mod error;
mod handshake;
mod line;
pub mod message;
pub mod packet;
pub mod rakp;
mod session;
pub mod sol;
mod target;
mod window;
mod wire;

pub use console::{Console, ConsoleError};
pub use crypto::{Exchange, Keys, Suite};
pub use error::{LanError, Step};
pub use packet::{PayloadKind, Unusable};
pub use rakp::RakpStatus;
pub use session::Session;
pub use target::{Target, Timing};
pub use window::Window;
