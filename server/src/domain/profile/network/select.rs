//! Which of a node's NICs a `match` means: exactly one, or an error that says what there is.

use super::super::template::Failed;
use super::words::Selector;
use super::{place, unfit};
use crate::domain::facts::{Hardware, Neighbour, Nic};
use crate::domain::ids::Mac;
use std::fmt::Write as _;

/// NICs told in an error, at most.
const TOLD: usize = 8;

/// A NIC that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its own address, which does not change when a bond takes it.
    pub mac: Mac,
    /// As the first stage called it.
    pub nic: String,
    /// PCI address.
    pub pci: String,
    /// `SWITCH port PORT`; empty: nothing was heard.
    pub cable: String,
}

/// The NIC of `device`. Errors: none, or several.
pub(super) fn find(
    device: &str,
    selector: &Selector,
    hardware: &Hardware,
    boot: Option<&Mac>,
) -> Result<Found, Failed> {
    let candidates: Vec<(&Nic, Mac)> =
        hardware.nics.iter().filter_map(|nic| Some((nic, nic.mac.parse().ok()?))).collect();
    let fit: Vec<&(&Nic, Mac)> =
        candidates.iter().filter(|(nic, mac)| is(selector, nic, mac, boot, &hardware.neighbours)).collect();
    match fit[..] {
        [(nic, mac)] => Ok(Found {
            mac: mac.clone(),
            nic: nic.name.clone(),
            pci: nic.pci.clone(),
            cable: cables(nic, &hardware.neighbours).next().map(cable).unwrap_or_default(),
        }),
        [] => Err(unfit(
            place(device, "match"),
            format!("no NIC of the node is {}: it has {}", wanted(selector), told(&candidates, hardware, boot)),
        )),
        _ => {
            let several: Vec<(&Nic, Mac)> = fit.iter().map(|(nic, mac)| (*nic, mac.clone())).collect();
            let told = told(&several, hardware, boot);
            Err(unfit(place(device, "match"), format!("more than one NIC is {}: {told}", wanted(selector))))
        }
    }
}

fn cables<'h>(nic: &'h Nic, neighbours: &'h [Neighbour]) -> impl Iterator<Item = &'h Neighbour> {
    neighbours.iter().filter(move |neighbour| neighbour.nic == nic.name)
}

fn cable(neighbour: &Neighbour) -> String {
    format!("{} port {}", neighbour.switch, neighbour.port)
}

fn is(selector: &Selector, nic: &Nic, mac: &Mac, boot: Option<&Mac>, neighbours: &[Neighbour]) -> bool {
    let Selector { boot: boots, mac: wanted, pci, driver, switch, port } = selector;
    let same = |wanted: &str, is: &str| wanted.trim().is_empty() || wanted.trim().eq_ignore_ascii_case(is);
    let mac_is = wanted.trim().is_empty() || wanted.trim().parse::<Mac>().is_ok_and(|wanted| wanted == *mac);
    let cabled = |n: &Neighbour| same(switch, &n.switch) && (same(port, &n.port) || same(port, &n.port_description));
    let no_cable = switch.trim().is_empty() && port.trim().is_empty();
    (!boots || boot == Some(mac))
        && mac_is
        && same(pci, &nic.pci)
        && same(driver, &nic.driver)
        && (no_cable || cables(nic, neighbours).any(cabled))
}

/// The selector in words.
fn wanted(selector: &Selector) -> String {
    let Selector { boot, mac, pci, driver, switch, port } = selector;
    let words = [("mac", mac), ("pci", pci), ("driver", driver), ("switch", switch), ("port", port)];
    let words = words.into_iter().filter(|(_, text)| !text.trim().is_empty());
    let boot = boot.then(|| "the one that it boots by".to_owned());
    boot.into_iter().chain(words.map(|(word, text)| format!("{word} {}", text.trim()))).collect::<Vec<_>>().join(", ")
}

/// What there is.
fn told(nics: &[(&Nic, Mac)], hardware: &Hardware, boot: Option<&Mac>) -> String {
    let one = |(nic, mac): &(&Nic, Mac)| {
        let mut text = format!("{} {mac}", nic.name);
        for word in [&nic.pci, &nic.driver] {
            if !word.is_empty() {
                let _ = write!(text, " {word}");
            }
        }
        if let Some(neighbour) = cables(nic, &hardware.neighbours).next() {
            let _ = write!(text, " at {}", cable(neighbour));
        }
        if boot == Some(mac) {
            text.push_str(" (boots)");
        }
        text
    };
    let mut all: Vec<String> = nics.iter().take(TOLD).map(one).collect();
    match nics.len() {
        0 => return "none".to_owned(),
        n if n > TOLD => all.push(format!("and {} more", n - TOLD)),
        _ => {}
    }
    all.join("; ")
}

/// All that the selector says is nothing: a template that was rendered to nothing.
pub(super) fn says_nothing(selector: &Selector) -> bool {
    wanted(selector).is_empty()
}
