//! GetBmcPlan: what a node's BMC is to be set to, for what its agent found there. Asking again gives the same answer.

use crate::domain::bmc::{Bmc, BmcState};
use crate::domain::boot::{Boot, clean};
use crate::domain::credential::{Password, State, Via};
use crate::domain::ipam::{Kind, Source};
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use crate::service::credentials::{self, Candidate};
use crate::service::ipam::{self, Lease};
use crate::service::{App, cabling, enrol, plan as boots};
use crate::store::Tx;
use higuma_proto::agent::{BmcChannel, BmcFound};
use uuid::Uuid;

/// The answer.
#[derive(Debug, Clone)]
pub enum Setup {
    /// Set it to this.
    Set {
        /// Credential's id; names the plan.
        id: Uuid,
        /// Account.
        user: String,
        /// In the order to try.
        passwords: Vec<Password>,
        /// Address; none: whatever it has.
        lease: Option<Lease>,
    },
    /// Leave it as it is.
    Leave(String),
}

/// LAN channels and users of a report that are kept.
const CHANNELS: usize = 16;
const USERS: usize = 64;

/// What the BMC of this boot's node is to be set to. Errors: the boot was ended by a newer one; the database.
pub async fn plan(app: &App, boot: &Boot, found: BmcFound) -> Result<Setup> {
    let found = bounded(found);
    let (id, now, told, vault) = (boot.id, app.now(), found.clone(), app.vault.clone());
    let rules = cabling::Rules::of(app);
    let why_not = app
        .store
        .write(move |tx| {
            let boot = tx
                .boot(id)?
                .ok_or_else(|| crate::error::Error::Unauthorized("this boot is not known any more".to_owned()))?;
            let mut node = boots::owner(tx, &boot)?;
            remember(tx, &node.uuid, id, &told, now)?;
            if enrol::told(tx, &vault, &node.uuid, &told, now)? {
                node = boots::owner(tx, &boot)?;
            }
            let why_not = boots::kept_back(tx, &node, &boot, rules)?.map(str::to_owned);
            if let Some(mut bmc) = tx.bmc(&node.uuid)? {
                bmc.held = why_not.is_some() && told.state == "present";
                tx.put_bmc(&bmc)?;
            }
            Ok(why_not)
        })
        .await?;
    tell_addresses(app, &boot.node, &found).await?;
    if found.state != "present" {
        return Ok(Setup::Leave(format!("the BMC is {}: {}", found.state, found.error)));
    }
    if !app.settings.bmc_manage {
        return Ok(Setup::Leave("the server's setting `bmc` says that BMCs are only read".to_owned()));
    }
    if let Some(why) = why_not {
        return Ok(Setup::Leave(why));
    }
    if found.channels.is_empty() {
        return Ok(Setup::Leave("the BMC has no LAN channel".to_owned()));
    }
    let lease = ipam::allocate(app, boot.node.clone(), Kind::Bmc).await?;
    let (id, user, passwords) = credential(app, &boot.node).await?;
    Ok(Setup::Set { id, user, passwords, lease })
}

/// The one in force; or the one that is to come into force, when there is one, or when the one in force is not ours.
async fn credential(app: &App, node: &NodeUuid) -> Result<(Uuid, String, Vec<Password>)> {
    let candidates = credentials::candidates(app, node.clone()).await?;
    let planned = candidates.iter().any(|c| c.state == State::Planned);
    let ours = |c: &&Candidate| c.state == State::Proven && c.via != Via::Enrolled;
    match candidates.iter().find(ours) {
        Some(Candidate { id, user, passwords, .. }) if !planned => Ok((*id, user.clone(), passwords.clone())),
        _ => {
            let planned = credentials::plan(app, node.clone()).await?;
            Ok((planned.id, planned.user, planned.passwords))
        }
    }
}

pub(super) fn bounded(mut found: BmcFound) -> BmcFound {
    found.error = clean(&found.error, 500);
    found.state = clean(&found.state, 16);
    if let Some(device) = &mut found.device {
        (device.guid, device.firmware) = (clean(&device.guid, 32), clean(&device.firmware, 64));
        device.ipmi_version = clean(&device.ipmi_version, 16);
    }
    found.channels.truncate(CHANNELS);
    for BmcChannel { users, cipher_suites, open_suites, mac, source, address, netmask, gateway, .. } in
        &mut found.channels
    {
        for text in [mac, source, address, netmask, gateway] {
            *text = clean(text, 64);
        }
        users.truncate(USERS);
        users.iter_mut().for_each(|user| {
            (user.name, user.privilege) = (clean(&user.name, 64), clean(&user.privilege, 16));
        });
        cipher_suites.truncate(USERS);
        open_suites.truncate(USERS);
    }
    found
}

/// What was read goes into the record. What is known by other ways (an address that was set by hand, a login that worked)
/// is not overruled by a BMC that does not answer in-band.
pub(super) fn remember(tx: &mut Tx<'_>, node: &NodeUuid, boot: Uuid, found: &BmcFound, now: Micros) -> Result<()> {
    let mut bmc = tx.bmc(node)?.unwrap_or_else(|| Bmc::new(node.clone(), now));
    let json = serde_json::to_string(found).map_err(crate::error::Error::internal)?;
    bmc.found = Some((json, now));
    bmc.boot = Some(boot);
    bmc.changed = now;
    let known = bmc.is_polled();
    match found.state.as_str() {
        "present" => {
            if let Some(device) = &found.device {
                bmc.guid = clean(&device.guid, 32);
                bmc.firmware = clean(&device.firmware, 64);
            }
            let address = |c: &BmcChannel| c.address.parse().ok().filter(|a: &std::net::IpAddr| !a.is_unspecified());
            let told = found.channels.iter().find_map(|c| address(c).map(|address| (c, address)));
            let address = told.map(|(_, address)| address);
            if let Some(channel) = told.map(|(channel, _)| channel).or(found.channels.first()) {
                bmc.mac = clean(&channel.mac, 17);
            }
            if address.is_some() {
                bmc.address = address;
            }
            if !known {
                (bmc.state, bmc.reason) = (BmcState::Found, String::new());
            }
        }
        other if !known => {
            bmc.state = match other {
                "absent" => BmcState::Absent,
                "silent" => BmcState::Silent,
                _ => BmcState::Refused,
            };
            bmc.reason.clone_from(&found.error);
        }
        _ => {}
    }
    tx.put_bmc(&bmc)
}

/// Two BMCs with one address are an alarm.
pub(super) async fn tell_addresses(app: &App, node: &NodeUuid, found: &BmcFound) -> Result<()> {
    for channel in &found.channels {
        let (Ok(address), Ok(mac)) = (channel.address.parse::<std::net::IpAddr>(), channel.mac.parse()) else {
            continue;
        };
        if !address.is_unspecified() {
            ipam::seen(app, node.clone(), address, mac).await?;
        }
    }
    Ok(())
}

/// How a lease reads in the plan: source, address, netmask, gateway, VLAN.
pub fn addressing(lease: Option<&Lease>) -> (&'static str, String, String, String, u32) {
    match lease {
        None => ("keep", String::new(), String::new(), String::new(), 0),
        Some(lease) if lease.source == Source::Dhcp => {
            ("dhcp", String::new(), String::new(), String::new(), u32::from(lease.vlan))
        }
        Some(lease) => {
            let gateway = lease.gateway.map(|g| g.to_string()).unwrap_or_default();
            ("static", lease.address.to_string(), lease.netmask.to_string(), gateway, u32::from(lease.vlan))
        }
    }
}
