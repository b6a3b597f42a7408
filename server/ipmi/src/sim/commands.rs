//! Commands of a simulated BMC: a request to a completion code and data. As in hardware, unknown ones are C1h.

use zeroize::Zeroizing;

use super::hardware::{Hardware, User};
use super::sensors;
use crate::Password;
use crate::lan::message::Message;

/// Completion code and data.
pub(super) type Answer = (u8, Vec<u8>);

fn ok(data: impl Into<Vec<u8>>) -> Answer {
    (0, data.into())
}

fn refused(code: u8) -> Answer {
    (code, Vec::new())
}

/// Commands that are answered outside a session, too.
pub(super) fn outside(hardware: &Hardware, asked: &Message<'_>, suites: &[u8]) -> Answer {
    match (asked.netfn, asked.cmd, asked.data) {
        (0x06, 0x38, _) => ok([1, 0x80, 0x04, 0x03, 0, 0, 0, 0]),
        (0x06, 0x54, [_, _, index, ..]) => {
            let list = suite_list(suites);
            let from = (usize::from(index & 0x3f) * 16).min(list.len());
            let to = (from + 16).min(list.len());
            ok([&[1], list.get(from..to).unwrap_or_default()].concat())
        }
        (0x06, 0x37, _) => ok(hardware.guid),
        _ => refused(0xd4),
    }
}

fn suite_list(suites: &[u8]) -> Vec<u8> {
    let one = |id: &u8| match *id {
        0 => vec![0xc0, 0, 0, 0x40, 0x80],
        2 => vec![0xc0, 2, 1, 0x41, 0x80],
        3 => vec![0xc0, 3, 1, 0x41, 0x81],
        17 => vec![0xc0, 17, 3, 0x44, 0x81],
        id => vec![0xc0, id, 2, 0x42, 0x81],
    };
    suites.iter().flat_map(one).collect()
}

/// Commands within a session, but those that are about the session.
pub(super) fn inside(hardware: &mut Hardware, asked: &Message<'_>, suites: &[u8]) -> Answer {
    match asked.netfn {
        0x00 => chassis(hardware, asked.cmd, asked.data),
        0x04 => sensor(hardware, asked.cmd, asked.data),
        0x06 => app(hardware, asked, suites),
        0x0a => storage(hardware, asked.cmd, asked.data),
        0x0c => transport(hardware, asked.cmd, asked.data),
        _ => refused(0xc1),
    }
}

fn chassis(hardware: &mut Hardware, cmd: u8, data: &[u8]) -> Answer {
    match (cmd, data) {
        (0x01, []) => ok([0x20 | u8::from(hardware.power), 0x10, 0x40 | hardware.identify << 4, 0]),
        (0x02, [control]) => refused(hardware.control(control & 0x0f)),
        (0x04, [_, 1, ..]) => set(&mut hardware.identify, 2),
        (0x04, [0, ..]) => set(&mut hardware.identify, 0),
        (0x04, _) => set(&mut hardware.identify, 1),
        (0x08, [0, 1, ..]) if hardware.boot_locked => refused(0x81),
        (0x08, [0, progress, ..]) => set(&mut hardware.boot_locked, *progress == 1),
        (0x08, [5, flags @ ..]) => match flags.first_chunk::<5>() {
            Some(flags) => set(&mut hardware.boot, *flags),
            None => refused(0xc7),
        },
        (0x08, [3 | 4, _, ..]) => refused(0),
        (0x09, [5, ..]) => ok([&[1, 5], hardware.boot.as_slice()].concat()),
        (0x09, [0, ..]) => ok([1, 0, u8::from(hardware.boot_locked)]),
        (0x08 | 0x09, _) => refused(0x80),
        _ => refused(0xc1),
    }
}

fn set<T>(place: &mut T, value: T) -> Answer {
    *place = value;
    refused(0)
}

fn sensor(hardware: &Hardware, cmd: u8, data: &[u8]) -> Answer {
    match (cmd, data) {
        (0x2d, [number, ..]) => sensors::reading(hardware, *number).map_or(refused(0xcb), ok),
        (0x27, [number, ..]) => ok(sensors::limits(*number)),
        (0x25, _) => ok([0, 0]),
        _ => refused(0xc1),
    }
}

fn app(hardware: &mut Hardware, asked: &Message<'_>, suites: &[u8]) -> Answer {
    match (asked.cmd, asked.data) {
        (0x01, _) => ok([0x20, 0x01, 0x02, 0x51, 0x02, 0xbf, 0x57, 0x01, 0, 0x34, 0x12, 0, 0, 0, 0]),
        (0x02, _) => {
            hardware.resets += 1;
            refused(0)
        }
        (0x08, _) => ok(hardware.guid),
        (0x44, [_, id]) => {
            let count = u8::try_from(hardware.users.len() + 1).unwrap_or(u8::MAX);
            let known = usize::from(id & 0x3f).checked_sub(2).is_some_and(|at| at < hardware.users.len());
            ok([16, 0x40 | (count & 0x3f), 1, if known { 0x34 } else { 0x0f }])
        }
        (0x43, [_, _, ..]) => refused(0),
        (0x45, [id, name @ ..]) => match user(hardware, *id) {
            Some(user) => set(&mut user.name, text(name)),
            None => refused(0xcc),
        },
        (0x46, [id]) => match user(hardware, *id) {
            Some(user) => {
                let mut name = user.name.clone().into_bytes();
                name.resize(16, 0);
                ok(name)
            }
            None => refused(0xcc),
        },
        (0x47, [id, operation, password @ ..]) => match (user(hardware, *id), operation & 3) {
            (Some(_), 0 | 1) => refused(0),
            (Some(user), 2) => set(&mut user.password, Password::new(text(password))),
            (Some(user), _) => {
                let right = Zeroizing::new(text(password));
                refused(if user.password.reveal() == right.as_str() { 0 } else { 0x80 })
            }
            (None, _) => refused(0xcc),
        },
        (0x37 | 0x38 | 0x54, _) => outside(hardware, asked, suites),
        _ => refused(0xc1),
    }
}

/// The user with this id; ids begin at 2 (1 is the null user), and new ones are appended.
fn user(hardware: &mut Hardware, id: u8) -> Option<&mut User> {
    let at = usize::from(id & 0x3f).checked_sub(2)?;
    if at == hardware.users.len() && at < 14 {
        hardware.users.push(User { name: String::new(), password: Password::new(String::new()) });
    }
    hardware.users.get_mut(at)
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect()
}

fn storage(hardware: &mut Hardware, cmd: u8, data: &[u8]) -> Answer {
    match (cmd, data) {
        (0x20, _) => ok([0x51, 4, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0x02]),
        (0x22 | 0x42, _) => ok(hardware.reserve()),
        (0x23, [r0, r1, i0, i1, offset, length]) => {
            let reserved = u16::from_le_bytes([*r0, *r1]) == hardware.reservation || [*r0, *r1, *offset] == [0; 3];
            if !reserved {
                return refused(0xc5);
            }
            record(u16::from_le_bytes([*i0, *i1]), usize::from(*offset), *length)
        }
        (0x40, _) => {
            let [n0, n1] = u16::try_from(hardware.events.len()).unwrap_or(u16::MAX).to_le_bytes();
            ok([0x51, n0, n1, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0x02])
        }
        (0x43, [_, _, i0, i1, _, _]) => event(hardware, u16::from_le_bytes([*i0, *i1])),
        (0x47, [r0, r1, b'C', b'L', b'R', action]) => {
            if u16::from_le_bytes([*r0, *r1]) != hardware.reservation {
                return refused(0xc5);
            }
            if *action == 0xaa {
                hardware.events.clear();
                // Erasing goes on for a moment, as it does in flash memory.
                return ok([0]);
            }
            ok([1])
        }
        (0x48, _) => ok(1_704_067_200u32.to_le_bytes()),
        _ => refused(0xc1),
    }
}

fn record(id: u16, offset: usize, length: u8) -> Answer {
    // Like many BMCs: not a whole record at once.
    if length > 32 && length != 0xff {
        return refused(0xca);
    }
    let records = sensors::records();
    let at = usize::from(id.max(1)) - 1;
    let Some(record) = records.get(at) else { return refused(0xcb) };
    let next = if at + 1 < records.len() { u16::try_from(at + 2).unwrap_or(u16::MAX) } else { u16::MAX };
    let end = (offset + usize::from(length)).min(record.len());
    match record.get(offset..end) {
        Some(piece) => ok([&next.to_le_bytes(), piece].concat()),
        None => refused(0xc9),
    }
}

fn event(hardware: &Hardware, id: u16) -> Answer {
    let last = hardware.events.len();
    let at = match id {
        0 => 0,
        u16::MAX => last.saturating_sub(1),
        id => usize::from(id) - 1,
    };
    let Some(event) = hardware.events.get(at) else { return refused(0xcb) };
    let next = if at + 1 < last { u16::try_from(at + 2).unwrap_or(u16::MAX) } else { u16::MAX };
    ok([&next.to_le_bytes(), event.as_slice()].concat())
}

fn transport(hardware: &mut Hardware, cmd: u8, data: &[u8]) -> Answer {
    match (cmd, data) {
        (0x01, [_, parameter, value @ ..]) if value.len() <= 32 => {
            hardware.lan.insert(*parameter, value.to_vec());
            refused(0)
        }
        (0x02, [_, parameter, ..]) => match hardware.lan.get(parameter) {
            Some(value) => ok([&[0x11], value.as_slice()].concat()),
            None => refused(0x80),
        },
        _ => refused(0xc1),
    }
}
