//! The server's plan as checked values: what cannot be carried out as it stands is refused before anything is written.

use std::net::Ipv4Addr;
use std::time::Duration;

use higuma_ipmi::Password;
use higuma_ipmi::command::user::{NAME_MAX, Privilege};
use higuma_proto::agent::BmcPlan;

/// More passwords, and users to remove, than any plan has.
const MOST: usize = 32;
/// Longest wait for an address by DHCP.
const LONGEST_WAIT: u32 = 180;

/// What the BMC should be. Debug shows no password.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Names the plan in the report.
    pub id: String,
    /// Of the channel.
    pub address: Address,
    /// None: the first that was found.
    pub channel: Option<u8>,
    /// Name of the account, 1 to 16 bytes.
    pub user: String,
    /// In the order to try.
    pub passwords: Vec<Password>,
    /// Operator or administrator.
    pub privilege: Privilege,
    /// Names of users that are removed.
    pub remove_users: Vec<String>,
    /// No session without a password by cipher suite 0.
    pub close_cipher_zero: bool,
    /// No user without a name.
    pub close_anonymous: bool,
    /// Serial over LAN on.
    pub sol: bool,
}

/// How the channel gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// Left alone.
    Keep,
    /// Given.
    Static {
        /// Its address.
        address: Ipv4Addr,
        /// Of its network.
        netmask: Ipv4Addr,
        /// None: no router.
        gateway: Option<Ipv4Addr>,
        /// None: untagged.
        vlan: Option<u16>,
    },
    /// By DHCP.
    Dhcp {
        /// None: untagged.
        vlan: Option<u16>,
        /// For an address to be there.
        wait: Duration,
    },
}

impl Wanted {
    /// Checks a plan and takes its passwords over.
    ///
    /// # Errors
    /// What is wrong with it, in words without a password.
    pub fn of(plan: BmcPlan) -> Result<Self, String> {
        let address = address(&plan)?;
        let privilege = match Privilege::from_word(&plan.privilege) {
            Some(privilege @ (Privilege::Operator | Privilege::Administrator)) => privilege,
            _ => return Err(format!("privilege: expected operator or administrator, got {:?}", plan.privilege)),
        };
        let is_name = |name: &str| (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        if !is_name(&plan.user) {
            return Err(format!("user: expected 1 to {NAME_MAX} printable characters, got {:?}", plan.user));
        }
        let channel =
            match plan.channel {
                0 => None,
                number => Some(u8::try_from(number).ok().filter(|number| *number < 0x0c).ok_or_else(|| {
                    format!("channel: expected 1 to 11, or 0 for the first that is there, got {number}")
                })?),
            };
        if plan.remove_users.contains(&plan.user) {
            return Err(format!("user {:?} is to be set and to be removed", plan.user));
        }
        let passwords: Vec<Password> = plan.passwords.into_iter().map(Password::new).collect();
        let is_password = |p: &Password| (1..=Password::MAX).contains(&p.reveal().len()) && !p.reveal().contains('\0');
        if passwords.is_empty() || passwords.len() > MOST || !passwords.iter().all(is_password) {
            return Err(format!(
                "passwords: expected 1 to {MOST}, each of 1 to {} bytes, none with NUL",
                Password::MAX
            ));
        }
        if plan.remove_users.len() > MOST || plan.remove_users.iter().any(String::is_empty) {
            return Err(format!("users to remove: expected at most {MOST}, each with a name"));
        }
        Ok(Self {
            id: plan.id,
            address,
            channel,
            user: plan.user,
            passwords,
            privilege,
            remove_users: plan.remove_users,
            close_cipher_zero: plan.close_cipher_zero,
            close_anonymous: plan.close_anonymous,
            sol: plan.sol,
        })
    }

    /// How long it may take to get an address.
    pub fn wait(&self) -> Duration {
        match self.address {
            Address::Dhcp { wait, .. } => wait,
            Address::Keep | Address::Static { .. } => Duration::ZERO,
        }
    }
}

fn address(plan: &BmcPlan) -> Result<Address, String> {
    let ipv4 = |what: &str, text: &str| {
        text.parse::<Ipv4Addr>()
            .ok()
            .filter(|address| !address.is_unspecified())
            .ok_or_else(|| format!("{what}: expected an IPv4 address, got {text:?}"))
    };
    let vlan = match plan.vlan {
        0 => None,
        id => Some(
            u16::try_from(id)
                .ok()
                .filter(|id| *id < 4095)
                .ok_or_else(|| format!("VLAN: expected 1 to 4094, or 0 for untagged, got {id}"))?,
        ),
    };
    match plan.source.as_str() {
        "keep" => Ok(Address::Keep),
        "static" => Ok(Address::Static {
            address: ipv4("address", &plan.address)?,
            netmask: ipv4("netmask", &plan.netmask)?,
            gateway: if plan.gateway.is_empty() { None } else { Some(ipv4("gateway", &plan.gateway)?) },
            vlan,
        }),
        "dhcp" => {
            Ok(Address::Dhcp { vlan, wait: Duration::from_secs(u64::from(plan.dhcp_wait_seconds.min(LONGEST_WAIT))) })
        }
        other => Err(format!("source of the address: expected keep, static or dhcp, got {other:?}")),
    }
}
