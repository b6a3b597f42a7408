//! A BMC of our own: a state machine over raw requests, written from the specification and not from the code under test,
//! with the bad habits of real ones as switches. Its time passes only by calls and pauses.

use std::collections::BTreeMap;
use std::time::Duration;

use higuma_agent::bmc::{Carrier, NoAnswer};
use higuma_ipmi::Request;

/// One slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slot {
    pub name: String,
    /// As stored, padded to 16 or 20 bytes.
    pub password: Option<Vec<u8>>,
    pub enabled: bool,
    pub messaging: bool,
    pub privilege: u8,
    pub sol: bool,
}

/// Bad habits; the default has none.
#[derive(Debug, Clone, Default)]
pub struct Quirks {
    /// Answers "busy" to each new request until this time.
    pub busy_until: Duration,
    /// Takes no 20-byte passwords.
    pub no_20_bytes: bool,
    /// Takes letters and digits only.
    pub no_symbols: bool,
    /// Takes no password at all.
    pub no_passwords: bool,
    /// Cannot test passwords.
    pub no_test: bool,
    /// Takes no privilege and no messaging.
    pub no_access: bool,
    /// Slots that take no name.
    pub reserved_slots: Vec<u8>,
    /// Has no parameter 0.
    pub no_lock: bool,
    /// Forgets what was written under the lock, unless it is told to commit it.
    pub rolls_back: bool,
    /// Gets an address so long after it was told to use DHCP; none: never.
    pub lease_after: Option<Duration>,
    /// Says nothing from this request on.
    pub silent_from: Option<usize>,
    /// Says nothing for so long after its address was set.
    pub away_after_address: Duration,
    /// Takes an address only when the source is static already and nobody holds the lock.
    pub address_outside_lock: bool,
    /// Refuses every command but Get Device ID.
    pub refuses_all: bool,
    /// Cuts each answer after so many bytes.
    pub cut: Option<usize>,
    /// LAN parameters that are taken and forgotten.
    pub forgets: Vec<u8>,
    /// LAN parameters that it does not have.
    pub lacks: Vec<u8>,
    /// Refuses to tell the access of this slot.
    pub hides_access: Option<u8>,
    /// No SOL.
    pub no_sol: bool,
    /// Does not tell whether a user is enabled.
    pub no_enabled: bool,
}

pub struct Fake {
    pub time: Duration,
    pub lan: u8,
    pub slots: Vec<Slot>,
    pub lan_parameters: BTreeMap<u8, Vec<u8>>,
    pub locked: bool,
    /// LAN parameters as they were before the lock was taken.
    pub uncommitted: Option<BTreeMap<u8, Vec<u8>>>,
    /// Mode and limit bytes: non-volatile, volatile.
    pub access: [[u8; 2]; 2],
    pub sol: bool,
    pub quirks: Quirks,
    /// Every request that came: network function, command, data.
    pub heard: Vec<(u8, u8, Vec<u8>)>,
    pub dhcp_since: Option<Duration>,
    pub away_until: Duration,
}

/// What answers are made of.
const OK: u8 = 0x00;
const ADDRESS: [u8; 4] = [10, 9, 8, 7];

impl Fake {
    /// A BMC as it comes: DHCP without an address, user 2 "ADMIN" usable, slot 1 the null user and usable.
    pub fn new() -> Self {
        let slot = |name: &str, enabled| Slot {
            name: name.to_owned(),
            enabled,
            messaging: enabled,
            privilege: if enabled { 4 } else { 0x0f },
            password: enabled.then(|| vec![b'A'; 16]),
            ..Slot::default()
        };
        let slots = vec![slot("", true), slot("ADMIN", true), slot("", false), slot("", false), slot("", false)];
        let mut levels = vec![0; 9];
        levels[1] = 0x44;
        levels[2] = 0x04;
        let lan_parameters = [
            (3, vec![0; 4]),
            (4, vec![2]),
            (5, vec![0x52, 0x54, 0, 1, 2, 3]),
            (6, vec![0; 4]),
            (12, vec![0; 4]),
            (20, vec![0, 0]),
            (22, vec![3]),
            (23, vec![0, 0, 3, 17]),
            (24, levels),
        ];
        Self {
            time: Duration::ZERO,
            lan: 1,
            slots,
            lan_parameters: lan_parameters.into(),
            locked: false,
            access: [[0x22, 0x04], [0x20, 0x04]],
            sol: false,
            uncommitted: None,
            quirks: Quirks::default(),
            heard: Vec::new(),
            dhcp_since: None,
            away_until: Duration::ZERO,
        }
    }

    /// The slot of this number, from 1.
    pub fn slot(&mut self, number: u8) -> &mut Slot {
        &mut self.slots[usize::from(number) - 1]
    }

    /// Requests that change something, since the last call of this.
    pub fn writes(&mut self) -> Vec<(u8, u8, Vec<u8>)> {
        let heard = std::mem::take(&mut self.heard);
        let is_test = |data: &[u8]| data.get(1).is_some_and(|op| op & 3 == 3);
        heard
            .into_iter()
            .filter(|(netfn, cmd, data)| match (netfn, cmd) {
                (6, 0x47) => !is_test(data),
                (6, 0x40 | 0x43 | 0x45 | 0x4c) | (0x0c, 0x01 | 0x21) => true,
                _ => false,
            })
            .collect()
    }

    fn answer(&mut self, netfn: u8, cmd: u8, data: &[u8]) -> Vec<u8> {
        if self.quirks.refuses_all && cmd != 0x01 {
            return vec![0xc1];
        }
        match (netfn, cmd, data) {
            (6, 0x01, _) => vec![OK, 0x20, 0x01, 0x02, 0x51, 0x02, 0xbf, 0x7c, 0x2a, 0x00, 0x1b, 0x09, 0, 0, 0, 0],
            (6, 0x37, _) => [vec![OK], (0..16).collect()].concat(),
            (6, 0x42, [channel]) if *channel == self.lan => vec![OK, self.lan, 0x04, 0x01, 0x80, 0xf2, 0x1b, 0, 0, 0],
            (6, 0x42, [2]) => vec![OK, 2, 0x05, 0x05, 0, 0xf2, 0x1b, 0, 0, 0],
            (6, 0x54, [channel, 0, index]) if *channel == self.lan => {
                let records = [0xc0, 0, 0, 0x40, 0x80, 0xc0, 3, 1, 0x41, 0x81, 0xc0, 17, 3, 0x44, 0x81];
                [vec![OK, self.lan], if index & 0x3f == 0 { records.to_vec() } else { Vec::new() }].concat()
            }
            (6, 0x41, [channel, memory]) if *channel == self.lan => {
                let [mode, limit] = self.access[usize::from(*memory == 0x80)];
                vec![OK, mode, limit]
            }
            (6, 0x40, [channel, mode, limit]) if *channel == self.lan => {
                let which = &mut self.access[usize::from(mode & 0xc0 == 0x80)];
                which[0] = mode & 0x3f;
                if limit & 0xc0 != 0 {
                    which[1] = limit & 0x0f;
                }
                vec![OK]
            }
            (6, 0x43..=0x47 | 0x4c | 0x4d, _) => self.user(cmd, data),
            (0x0c, 0x01, [channel, parameter, value @ ..]) if *channel == self.lan => {
                vec![self.set_lan(*parameter, value)]
            }
            (0x0c, 0x02, [channel, parameter, ..]) if *channel == self.lan => self.get_lan(*parameter),
            (0x0c, 0x21 | 0x22, _) if self.quirks.no_sol => vec![0xc1],
            (0x0c, 0x21, [channel, 1, on]) if *channel == self.lan => {
                self.sol = on & 1 != 0;
                vec![OK]
            }
            (0x0c, 0x22, [channel, 1, ..]) if *channel == self.lan => vec![OK, 0x11, u8::from(self.sol)],
            (6 | 0x0c, 0x40..=0x54 | 0x01 | 0x02 | 0x21 | 0x22, _) => vec![0xcc],
            _ => vec![0xc1],
        }
    }

    fn user(&mut self, cmd: u8, data: &[u8]) -> Vec<u8> {
        let place = match cmd {
            0x43 | 0x44 | 0x4c | 0x4d => data.get(1),
            _ => data.first(),
        };
        let (Some(number), count) = (place.map(|byte| byte & 0x3f), self.slots.len()) else { return vec![0xc7] };
        if number == 0 || usize::from(number) > count {
            return vec![0xc9];
        }
        let enabled_byte = if self.quirks.no_enabled { 0 } else { 0xff };
        let quirks = self.quirks.clone();
        let taken: Vec<String> = self.slots.iter().map(|slot| slot.name.clone()).collect();
        let slot = self.slot(number);
        match (cmd, data) {
            (0x43, _) if quirks.no_access => vec![0xd5],
            (0x43, [flags, _, privilege, ..]) => {
                if flags & 0x80 != 0 {
                    slot.messaging = flags & 0x10 != 0;
                }
                slot.privilege = privilege & 0x0f;
                vec![OK]
            }
            (0x44, _) if quirks.hides_access == Some(number) => vec![0xcc],
            (0x44, [_, _]) => {
                let enabled = enabled_byte & if slot.enabled { 0x40 } else { 0x80 };
                vec![OK, count as u8, enabled | 1, 0, u8::from(slot.messaging) << 4 | slot.privilege]
            }
            (0x45, [_, name @ ..]) if name.len() == 16 => {
                let name: Vec<u8> = name.iter().copied().take_while(|byte| *byte != 0).collect();
                let name = String::from_utf8(name).unwrap();
                if quirks.reserved_slots.contains(&number) || (!name.is_empty() && taken.contains(&name)) {
                    return vec![0xcc];
                }
                slot.name = name;
                vec![OK]
            }
            (0x46, [_]) if slot.name.is_empty() && number > 2 => vec![0xcc],
            (0x46, [_]) => [&[OK], slot.name.as_bytes(), &[0; 16][slot.name.len()..]].concat(),
            (0x47, [_, 0]) => {
                slot.enabled = false;
                vec![OK]
            }
            (0x47, [_, 1]) => {
                slot.enabled = true;
                vec![OK]
            }
            (0x47, [head, operation @ (2 | 3), password @ ..]) => {
                let is_large = head & 0x80 != 0;
                if password.len() != if is_large { 20 } else { 16 } || (is_large && quirks.no_20_bytes) {
                    return vec![0xc7];
                }
                if *operation == 3 {
                    return vec![match &slot.password {
                        _ if quirks.no_test => 0xcc,
                        Some(stored) if stored.len() != password.len() => 0x81,
                        Some(stored) if stored == password => OK,
                        _ => 0x80,
                    }];
                }
                let is_plain = password.iter().all(|byte| *byte == 0 || byte.is_ascii_alphanumeric());
                if quirks.no_passwords || (quirks.no_symbols && !is_plain) {
                    return vec![0xcc];
                }
                slot.password = Some(password.to_vec());
                vec![OK]
            }
            (0x4c, [_, operation, 2, _, _, _]) => {
                slot.sol = operation & 0xc0 == 0;
                vec![OK]
            }
            (0x4d, [_, _]) => vec![OK, u8::from(slot.sol) << 1, 0, 0, 0],
            _ => vec![0xc7],
        }
    }

    fn set_lan(&mut self, parameter: u8, value: &[u8]) -> u8 {
        let is_static = self.lan_parameters[&4] == [1];
        match (parameter, value) {
            (0, _) if self.quirks.no_lock => 0x80,
            (0, [1]) if self.locked => 0x81,
            (0, [1]) => {
                self.locked = true;
                self.uncommitted = self.quirks.rolls_back.then(|| self.lan_parameters.clone());
                OK
            }
            (0, [2]) if !self.quirks.rolls_back => 0xcc,
            (0, [2]) => {
                self.uncommitted = None;
                OK
            }
            (0, _) => {
                self.locked = false;
                if let Some(before) = self.uncommitted.take() {
                    self.lan_parameters = before;
                }
                OK
            }
            _ if self.quirks.lacks.contains(&parameter) => 0x80,
            (3, _) if self.quirks.address_outside_lock && !is_static => 0x82,
            (4, [1]) if self.quirks.address_outside_lock && self.locked => 0xd5,
            (5 | 22 | 23, _) => 0x82,
            _ if self.lan_parameters.get(&parameter).is_none_or(|old| old.len() != value.len()) => 0xc9,
            _ if self.quirks.forgets.contains(&parameter) => OK,
            _ => {
                if parameter == 4 {
                    self.dhcp_since = (value == [2]).then_some(self.time);
                }
                if parameter == 3 {
                    self.away_until = self.time + self.quirks.away_after_address;
                }
                self.lan_parameters.insert(parameter, value.to_vec());
                OK
            }
        }
    }

    fn get_lan(&mut self, parameter: u8) -> Vec<u8> {
        if let (Some(since), Some(after)) = (self.dhcp_since, self.quirks.lease_after)
            && self.time >= since + after
        {
            self.lan_parameters.insert(3, ADDRESS.to_vec());
        }
        match self.lan_parameters.get(&parameter) {
            Some(value) if !self.quirks.lacks.contains(&parameter) => [&[OK, 0x11], value.as_slice()].concat(),
            _ => vec![0x80],
        }
    }
}

impl Carrier for Fake {
    fn call(&mut self, request: &Request, within: Duration) -> Result<Vec<u8>, NoAnswer> {
        self.heard.push((request.netfn.0, request.cmd, request.data.to_vec()));
        let is_silent = self.quirks.silent_from.is_some_and(|from| self.heard.len() > from);
        if is_silent || self.time < self.away_until {
            self.time += within;
            return Err(NoAnswer::Silent(within));
        }
        self.time += Duration::from_millis(5);
        if self.time < self.quirks.busy_until {
            return Ok(vec![0xc0]);
        }
        let mut answer = self.answer(request.netfn.0, request.cmd, &request.data);
        answer.truncate(self.quirks.cut.unwrap_or(usize::MAX));
        Ok(answer)
    }

    fn now(&self) -> Duration {
        self.time
    }

    fn pause(&mut self, time: Duration) {
        self.time += time;
    }
}
