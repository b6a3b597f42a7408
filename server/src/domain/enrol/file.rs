//! The file of BMCs to enrol, CSV or YAML: the whole of it is checked before anything of it is used, every error names its
//! line, and none repeats a password.

mod range;
mod read;

use crate::domain::bmc::Protocol;
use crate::domain::credential::{Password, check_user};
use crate::domain::ids::{Hostname, Invalid, Name};
use crate::domain::node::words;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses of one file at most.
pub const ADDRESSES_MAX: usize = 20_000;
/// Bytes of a file at most.
pub const BYTES_MAX: usize = 4 << 20;
/// Errors told at most.
const ERRORS_MAX: usize = 50;
/// What a line may have; the first three must be there.
pub const COLUMNS: [&str; 10] =
    ["address", "user", "password", "name", "cluster", "profile", "protocol", "port", "uefi", "restart"];

/// Form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With a header row.
    Csv,
    /// A list of the same.
    Yaml,
}

words!(Format, "format of a file", "csv or yaml", Csv = "csv", Yaml = "yaml");

/// A BMC to enrol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Line of the file.
    pub line: u64,
    /// Address.
    pub address: IpAddr,
    /// Other than the protocol's own.
    pub port: Option<u16>,
    /// Which protocol.
    pub protocol: Protocol,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// Host name for the node.
    pub name: Option<Hostname>,
    /// Cluster; may be empty.
    pub cluster: String,
    /// Profile for the node.
    pub profile: Option<Name>,
    /// Boots in UEFI mode.
    pub uefi: bool,
    /// A machine that is on may be restarted.
    pub restart: bool,
}

/// What is wrong with a file, a line each.
pub type Errors = Vec<String>;

/// A line as it was read: the value of a column, empty when there is none.
type Cells<'a> = &'a dyn Fn(&str) -> &'a str;

/// All BMCs of a file, in its order.
///
/// # Errors
/// Every line that does not fit; none of the file counts then.
pub fn parse(format: Format, text: &str) -> Result<Vec<Wanted>, Errors> {
    if text.len() > BYTES_MAX {
        return Err(vec![format!("expected a file of at most {BYTES_MAX} bytes, got {}", text.len())]);
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut sheet = Sheet::default();
    match format {
        Format::Csv => read::csv(text, &mut sheet),
        Format::Yaml => read::yaml(text, &mut sheet),
    }
    if sheet.errors.is_empty() && sheet.wanted.is_empty() {
        sheet.errors.push("line 1: expected at least one BMC, got none".to_owned());
    }
    if sheet.errors.is_empty() { Ok(sheet.wanted) } else { Err(sheet.errors) }
}

/// What was read so far.
#[derive(Default)]
struct Sheet {
    wanted: Vec<Wanted>,
    errors: Errors,
    addresses: HashMap<IpAddr, u64>,
    names: HashMap<String, u64>,
    /// The rest is not looked at.
    stopped: bool,
}

impl Sheet {
    /// Takes a line. False: enough errors were told.
    fn line(&mut self, line: u64, cells: Cells<'_>) -> bool {
        match row(line, cells) {
            Ok(found) => {
                for one in found {
                    self.add(one);
                    if self.is_full() {
                        break;
                    }
                }
            }
            Err(problems) => problems.into_iter().for_each(|problem| self.error(line, &problem)),
        }
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.stopped || self.errors.len() > ERRORS_MAX
    }

    fn error(&mut self, line: u64, problem: &str) {
        match self.errors.len() {
            0..ERRORS_MAX => self.errors.push(format!("line {line}: {problem}")),
            ERRORS_MAX => self.errors.push("and perhaps more".to_owned()),
            _ => {}
        }
    }

    fn add(&mut self, one: Wanted) {
        if let Some(first) = self.addresses.insert(one.address, one.line) {
            let problem = format!("address {} is also in line {first}", one.address);
            return self.error(one.line, &problem);
        }
        let name = one.name.as_ref().map(ToString::to_string);
        if let Some(name) = name
            && let Some(first) = self.names.insert(name.clone(), one.line)
        {
            return self.error(one.line, &format!("name {name} is also in line {first}"));
        }
        if self.wanted.len() >= ADDRESSES_MAX {
            self.stopped = true;
            return self.error(one.line, &format!("expected at most {ADDRESSES_MAX} addresses in one file"));
        }
        self.wanted.push(one);
    }
}

/// The BMCs of a line, or all that is wrong with it.
fn row(line: u64, get: Cells<'_>) -> Result<Vec<Wanted>, Vec<String>> {
    let mut problems = Vec::new();
    let addresses = keep(range::expand(get("address")), &mut problems).unwrap_or_default();
    let user = get("user");
    let _ = keep(check_user(user), &mut problems);
    let password = keep(get("password").parse::<Password>(), &mut problems);
    let name = keep(some::<Hostname>(get("name")), &mut problems).flatten();
    let profile = keep(some::<Name>(get("profile")), &mut problems).flatten();
    let cluster = keep(some::<Name>(get("cluster")), &mut problems).flatten();
    let protocol = keep(some::<Protocol>(get("protocol")), &mut problems).flatten().unwrap_or(Protocol::Auto);
    let port = keep(port(get("port")), &mut problems).flatten();
    let uefi = keep(yes("uefi", get("uefi")), &mut problems).unwrap_or_default();
    let restart = keep(yes("restart", get("restart")), &mut problems).unwrap_or_default();
    if name.is_some() && addresses.len() > 1 {
        problems.push(format!(
            "name: expected none for a range of {} addresses, since a name is one node's",
            addresses.len()
        ));
    }
    let (true, Some(password)) = (problems.is_empty(), password) else { return Err(problems) };
    let cluster = cluster.map(|name| name.to_string()).unwrap_or_default();
    let one = |address| Wanted {
        line,
        address,
        port,
        protocol,
        user: user.to_owned(),
        password: password.clone(),
        name: name.clone(),
        cluster: cluster.clone(),
        profile: profile.clone(),
        uefi,
        restart,
    };
    Ok(addresses.into_iter().map(one).collect())
}

fn keep<T, E: fmt::Display>(result: Result<T, E>, problems: &mut Vec<String>) -> Option<T> {
    result.map_err(|error| problems.push(error.to_string())).ok()
}

fn some<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

fn port(text: &str) -> Result<Option<u16>, Invalid> {
    let wrong = || Invalid::new("port", "1 to 65535", text);
    let port: Option<u16> = some(text).map_err(|_| wrong())?;
    if port == Some(0) { Err(wrong()) } else { Ok(port) }
}

fn yes(what: &'static str, text: &str) -> Result<bool, Invalid> {
    match text.to_ascii_lowercase().as_str() {
        "" | "no" | "false" => Ok(false),
        "yes" | "true" => Ok(true),
        _ => Err(Invalid::new(what, "yes or no", text)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn csv(text: &str) -> Result<Vec<Wanted>, Errors> {
        parse(Format::Csv, text)
    }

    #[test]
    fn a_file_with_ranges_in_both_forms() {
        let text = "Address,user,password,name,cluster,profile,uefi\n\
                    10.0.8.10-10.0.8.12,ADMIN,\"fac,tory\",,east,,\n\n10.0.9.0/29,root,calvin,,,hv,yes\nfd00::7,root,x,web-7,,,\n";
        let wanted = csv(text).unwrap();
        let addresses: Vec<String> = wanted.iter().map(|w| w.address.to_string()).collect();
        assert_eq!(addresses[..4], ["10.0.8.10", "10.0.8.11", "10.0.8.12", "10.0.9.1"]);
        assert_eq!((wanted.len(), addresses[8].as_str(), addresses[9].as_str()), (10, "10.0.9.6", "fd00::7"));
        assert_eq!((wanted[0].password.reveal(), wanted[0].cluster.as_str(), wanted[0].line), ("fac,tory", "east", 2));
        assert!(wanted[3].uefi && !wanted[9].uefi && wanted[9].line == 5);
        let yaml = "- address: 10.0.8.10-10.0.8.12\n  user: ADMIN\n  password: \"fac,tory\"\n  cluster: east\n\
                    - {address: 10.0.9.0/29, user: root, password: calvin, profile: hv, uefi: yes}\n\
                    - address: fd00::7\n  user: root\n  password: x\n  name: web-7\n";
        let same = parse(Format::Yaml, yaml).unwrap();
        let bare = |list: &[Wanted]| list.iter().map(|w| Wanted { line: 0, ..w.clone() }).collect::<Vec<_>>();
        assert_eq!(bare(&same), bare(&wanted));
        assert_eq!((same[0].line, same[3].line, same[9].line), (1, 5, 6));
    }

    #[test]
    fn every_error_is_told_with_its_line() {
        let text = "address,user,password,name,profile,port,uefi\n\
                    10.0.8.300,ADMIN,geheim1,,,,\n\
                    10.0.8.10,AD MIN,,,A b,0,maybe\n\
                    10.0.8.11,a,geheim2,web-1,,,\n\
                    10.0.8.10-10.0.8.11,a,geheim3,,,,\n\
                    10.0.8.20-10.0.8.9,a,geheim4,,,,\n\
                    10.0.8.30,a,geheim5,web-1,,,\n\
                    10.0.8.40-10.0.8.41,a,geheim6,web-2,,,\n\
                    10.0.8.50,a,geheim7,,,,,too many\n";
        let errors = csv(text).unwrap_err();
        for wanted in [
            "line 2: BMC address",
            "line 3: BMC user",
            "line 3: BMC password",
            "line 3: port",
            "line 3: uefi",
            "line 5: address 10.0.8.11 is also in line 4",
            "line 6: BMC address",
            "line 7: name web-1 is also in line 4",
            "line 8: name: expected none for a range of 2",
            "line 9: expected at most 7 values, got 8",
        ] {
            assert!(errors.iter().any(|e| e.starts_with(wanted)), "{wanted}: {errors:#?}");
        }
        assert!(!errors.iter().any(|e| e.contains("geheim")), "{errors:#?}");
    }

    #[test]
    fn what_is_no_such_file_is_said_and_shows_nothing_of_it() {
        // Without its header the first line has a password in it.
        for (format, text, says) in [
            (Format::Csv, "10.0.8.10,ADMIN,geheim\n", "line 1: expected the columns"),
            (Format::Csv, "address,user,password,colour\n", "line 1: expected the columns"),
            (Format::Csv, "address,user,password,user\n", "line 1: expected the columns"),
            (Format::Csv, "", "line 1: expected the columns"),
            (Format::Csv, "address,user,password\n", "expected at least one BMC"),
            (Format::Yaml, "", "expected"),
            (Format::Yaml, "[]", "expected at least one BMC"),
            (Format::Yaml, "address: geheim\n", "line 1: expected a list"),
            (Format::Yaml, "- address: 10.0.0.1\n  user: a\n  password: geheim\n  colour: red\n", "line 4: "),
            (Format::Yaml, "- address: 10.0.0.1\n  user: a\n  password: [geheim]\n", "line 3: "),
            (Format::Yaml, "- address: 10.0.0.1\n  user: \"a\n", "line "),
        ] {
            let errors = parse(format, text).unwrap_err();
            assert!(errors[0].contains(says), "{text:?}: {errors:?}");
            assert!(!errors.iter().any(|e| e.contains("geheim")), "{text:?}: {errors:?}");
        }
    }

    #[test]
    fn there_is_a_bound_to_everything() {
        assert_eq!(csv("address,user,password\n10.0.0.0/18,a,b\n").unwrap().len(), (1 << 14) - 2);
        for text in [
            "address,user,password\n10.0.0.0/16,a,b\n",
            "address,user,password\n10.0.0.0/18,a,b\n10.1.0.0/18,a,b\n",
            "address,user,password\n::/0,a,b\n",
            "address,user,password\n::-ffff::,a,b\n",
        ] {
            let errors = csv(text).unwrap_err();
            assert!(errors[0].contains("20000"), "{errors:?}");
        }
        let many = format!("address,user,password\n{}", "x,a,b\n".repeat(100));
        let errors = csv(&many).unwrap_err();
        assert_eq!((errors.len(), errors[50].as_str()), (51, "and perhaps more"));
        assert!(csv(&"x".repeat(BYTES_MAX + 1)).unwrap_err()[0].contains("at most"));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
        assert!(parse(Format::Yaml, bomb).is_err());
    }
}
