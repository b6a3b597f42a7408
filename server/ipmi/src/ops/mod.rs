//! What takes more than one command: the next boot device, a whole event log, all sensors. Over any carrier, so that it is
//! tested without a network; every loop has a bound.

mod boot;
mod sel;
mod sensors;

use std::future::Future;

use crate::lan::LanError;
use crate::{Command, Request};

pub use boot::set_boot;
pub use sel::{SelPage, clear_sel, read_sel};
pub use sensors::{Reading, Sensors, read_sensor, read_sensors};

/// Whoever brings a request to a BMC and its data back, completion code already looked at.
pub trait Carrier {
    /// Sends one request; `name` is the command's, for errors.
    fn carry(
        &mut self,
        request: &Request,
        name: &'static str,
    ) -> impl Future<Output = Result<Vec<u8>, LanError>> + Send;
}

/// A command over a carrier.
pub async fn ask<C: Command + Sync>(carrier: &mut impl Carrier, command: &C) -> Result<C::Answer, LanError> {
    let data = carrier.carry(&command.request(), C::NAME).await?;
    Ok(command.answer(&data)?)
}

#[cfg(test)]
mod tests;
