//! The BMC itself: who it is (20).

use crate::{Command, Malformed, NetFn};

/// Get Device ID (20.1).
#[derive(Debug, Clone, Copy)]
pub struct GetDeviceId;

/// What a BMC says of itself (20.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceId {
    /// Device id, vendor's own.
    pub device: u8,
    /// Firmware revision "2.51": major, and minor in BCD.
    pub firmware: String,
    /// IPMI version "2.0".
    pub ipmi: String,
    /// IANA enterprise number of the manufacturer (20 bits).
    pub manufacturer: u32,
    /// The manufacturer's product number.
    pub product: u16,
}

impl Command for GetDeviceId {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x01;
    const NAME: &'static str = "Get Device ID";
    type Answer = DeviceId;

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, data: &[u8]) -> Result<DeviceId, Malformed> {
        let [device, _, major, minor, ipmi, _, m0, m1, m2, p0, p1, ..] = *data else {
            return Err(Malformed::short(Self::NAME, "at least 11 bytes", data));
        };
        Ok(DeviceId {
            device,
            firmware: format!("{}.{minor:02x}", major & 0x7f),
            ipmi: format!("{}.{}", ipmi & 0x0f, ipmi >> 4),
            manufacturer: u32::from_le_bytes([m0, m1, m2 & 0x0f, 0]),
            product: u16::from_le_bytes([p0, p1]),
        })
    }
}

/// Get System GUID (22.14): of the machine, not of the BMC.
#[derive(Debug, Clone, Copy)]
pub struct GetSystemGuid;

impl Command for GetSystemGuid {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x37;
    const NAME: &'static str = "Get System GUID";
    /// As it was sent: BMCs disagree on the order of bytes.
    type Answer = [u8; 16];

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, data: &[u8]) -> Result<[u8; 16], Malformed> {
        data.get(..16).and_then(|b| b.try_into().ok()).ok_or_else(|| Malformed::short(Self::NAME, "16 bytes", data))
    }
}

/// Cold Reset (20.2): the BMC starts anew. Sessions are gone, often without an answer to this; the system runs on.
#[derive(Debug, Clone, Copy)]
pub struct ColdReset;

impl Command for ColdReset {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x02;
    const NAME: &'static str = "Cold Reset";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        Vec::new()
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_id_as_ipmi_sim_sends_it() {
        let data = [0x00, 0x03, 0x09, 0x08, 0x02, 0x9f, 0x91, 0x12, 0x00, 0x02, 0x0f, 0, 0, 0, 0];
        let id = GetDeviceId.answer(&data).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (id.firmware.as_str(), id.ipmi.as_str(), id.manufacturer, id.product),
            ("9.08", "2.0", 0x1291, 0x0f02)
        );
        assert!(GetDeviceId.answer(&data[..10]).is_err() && GetSystemGuid.answer(&data).is_err());
    }
}
