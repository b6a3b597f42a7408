//! A profile's users, written into passwd(5), group(5), shadow(5) and gshadow(5) of the new root, with their homes and keys, by
//! no program of the image. A user of the image is never made another one, and no number gets a second name: what does not
//! go together is told in words, and the boot goes on without that user. No password's hash is told.

use std::io;

use higuma_proto::agent::User;

use super::tree::Tree;

/// Each of the files is read up to this many bytes; a larger one is left alone.
const TABLE_MAX: u64 = 4 << 20;

/// Writes all of them; gives what could not be done.
pub fn write(tree: &Tree, users: &[User]) -> Vec<String> {
    if users.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut accounts = match Accounts::read(tree) {
        Ok(accounts) => accounts,
        Err(e) => return vec![format!("users: {e}")],
    };
    let bash = tree.exists("/bin/bash");
    let mut made = Vec::new();
    for user in users {
        match accounts.add(user, if bash { "/bin/bash" } else { "/bin/sh" }) {
            Ok(account) => made.push((user, account)),
            Err(why) => problems.push(format!("user {}: {why}", shown(&user.name))),
        }
    }
    // When all are there: one may be in the group of another.
    for (user, _) in &made {
        problems.extend(accounts.join(user).into_iter().map(|why| format!("user {}: {why}", shown(&user.name))));
    }
    if let Err(e) = accounts.write(tree) {
        problems.push(format!("users: {e}"));
        return problems;
    }
    // A home in another one: the outer one first, so that each is its owner's.
    made.sort_by_key(|(_, account): &(&User, Account)| account.home.len());
    for (user, account) in made {
        problems.extend(own(tree, user, &account).into_iter().map(|why| format!("user {}: {why}", user.name)));
    }
    problems
}

/// Who somebody is in the new root.
struct Account {
    ids: (u32, u32),
    home: String,
    shell: String,
}

/// What belongs to a user: home, keys, what sudo lets it do.
fn own(tree: &Tree, user: &User, account: &Account) -> Vec<String> {
    let mut problems = Vec::new();
    if !tree.exists(&account.shell) {
        problems.push(format!("the image has no {}: nobody can log in with it", account.shell));
    }
    if user.name != "root"
        && let Err(e) = home(tree, user, account)
    {
        problems.push(format!("{}: {e}", account.home));
    }
    if user.sudo_nopasswd {
        let line = format!("{} ALL=(ALL:ALL) NOPASSWD: ALL\n", user.name);
        match tree.exists("/etc/sudoers") {
            true => {
                if let Err(e) = tree.write(&format!("/etc/sudoers.d/90-higuma-{}", user.name), 0o440, line.as_bytes()) {
                    problems.push(format!("sudo: {e}"));
                }
            }
            false => problems.push("the image has no sudo (/etc/sudoers)".to_owned()),
        }
    }
    problems
}

fn home(tree: &Tree, user: &User, account: &Account) -> io::Result<()> {
    let home = account.home.trim_end_matches('/');
    if home.is_empty() || home == "/root" {
        return Err(io::Error::other("no folder for a home"));
    }
    tree.folder_owned(home, 0o700, account.ids)?;
    if user.ssh_authorized_keys.is_empty() {
        return Ok(());
    }
    tree.folder_owned(&format!("{home}/.ssh"), 0o700, account.ids)?;
    let line = |key: &String| format!("{}\n", key.lines().next().unwrap_or_default());
    let lines: String = user.ssh_authorized_keys.iter().map(line).collect();
    let (owner, group) = account.ids;
    tree.write_owned(&format!("{home}/.ssh/authorized_keys"), 0o600, (Some(owner), Some(group)), lines.as_bytes())
}

/// The four files; the last two are not in every image.
struct Accounts {
    passwd: Table,
    group: Table,
    shadow: Option<Table>,
    gshadow: Option<Table>,
}

/// Lines of fields between colons. What is not understood stays as it is.
struct Table {
    path: &'static str,
    lines: Vec<String>,
    changed: bool,
}

impl Table {
    fn read(tree: &Tree, path: &'static str) -> io::Result<Table> {
        let bytes = tree.read(path, TABLE_MAX + 1).map_err(|e| io::Error::other(format!("the image's {path}: {e}")))?;
        if bytes.len() as u64 > TABLE_MAX {
            return Err(io::Error::other(format!("the image's {path} is larger than {TABLE_MAX} bytes")));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| io::Error::other(format!("the image's {path} is not UTF-8")))?;
        Ok(Table { path, lines: text.lines().map(str::to_owned).collect(), changed: false })
    }

    fn fields(&self, name: &str) -> Option<Vec<&str>> {
        let line = self.lines.iter().find(|line| line.split(':').next() == Some(name))?;
        Some(line.split(':').collect())
    }

    /// Who has this number in the third field.
    fn with_number(&self, number: u32) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(number)).then_some(name)
        })
    }

    /// In the place of the line of that name, or at the end.
    fn put(&mut self, fields: &[&str]) {
        let line = fields.join(":");
        let name = fields.first().copied();
        match self.lines.iter_mut().find(|line| line.split(':').next() == name) {
            Some(present) if *present == line => return,
            Some(present) => *present = line,
            // Entries of NIS at the end are for names that were not found before.
            None => {
                let at = self.lines.iter().position(|line| line.starts_with(['+', '-'])).unwrap_or(self.lines.len());
                self.lines.insert(at, line);
            }
        }
        self.changed = true;
    }

    /// Puts a name into the list of members, the fourth field; false: there is no such group.
    fn join(&mut self, group: &str, member: &str) -> bool {
        let Some(fields) = self.fields(group) else { return false };
        let [name, password, third, members] = fields[..] else { return false };
        if members.split(',').any(|one| one == member) {
            return true;
        }
        let members = if members.is_empty() { member.to_owned() } else { format!("{members},{member}") };
        let [name, password, third] = [name, password, third].map(str::to_owned);
        self.put(&[&name, &password, &third, &members]);
        true
    }

    fn write(&self, tree: &Tree) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        tree.rewrite(self.path, text.as_bytes()).map_err(|e| io::Error::other(format!("{}: {e}", self.path)))
    }
}

impl Accounts {
    fn read(tree: &Tree) -> io::Result<Accounts> {
        let optional =
            |path: &'static str| if tree.exists(path) { Table::read(tree, path).map(Some) } else { Ok(None) };
        Ok(Accounts {
            passwd: Table::read(tree, "/etc/passwd")?,
            group: Table::read(tree, "/etc/group")?,
            shadow: optional("/etc/shadow")?,
            gshadow: optional("/etc/gshadow")?,
        })
    }

    /// Those that changed; passwd last, so that nobody is there by halves.
    fn write(&self, tree: &Tree) -> io::Result<()> {
        let optional = [&self.gshadow, &self.shadow].into_iter().flatten();
        [&self.group].into_iter().chain(optional).chain([&self.passwd]).try_for_each(|table| table.write(tree))
    }

    /// Makes a user, or makes that of the image as the plan has it. Errors: why nothing was done.
    fn add(&mut self, user: &User, shell: &str) -> Result<Account, String> {
        honest(user)?;
        let uid = user.uid;
        let said = |said: &str, else_: &str| if said.is_empty() { else_.to_owned() } else { said.to_owned() };
        let present = self.passwd.fields(&user.name).map(|fields| fields.into_iter().map(str::to_owned).collect());
        let (gid, comment, home, shell) = match present {
            Some::<Vec<String>>(fields) => {
                let [_, _, number, gid, comment, home, shell] = &fields[..] else {
                    return Err("its line in the image's /etc/passwd is damaged".to_owned());
                };
                if number.parse() != Ok(uid) {
                    return Err(format!("the image has it with the number {number}, the profile with {uid}"));
                }
                let gid = gid.parse().map_err(|_| "its group in the image's /etc/passwd is no number".to_owned())?;
                (gid, said(&user.comment, comment), said(&user.home, home), said(&user.shell, shell))
            }
            None => {
                if let Some(other) = self.passwd.with_number(uid) {
                    return Err(format!("the number {uid} is that of the image's user {other}"));
                }
                self.own_group(&user.name, uid)?;
                (uid, user.comment.clone(), said(&user.home, &format!("/home/{}", user.name)), said(&user.shell, shell))
            }
        };
        let password = self.password(user);
        let (number, group) = (uid.to_string(), gid.to_string());
        self.passwd.put(&[&user.name, &password, &number, &group, &comment, &home, &shell]);
        Ok(Account { ids: (uid, gid), home, shell })
    }

    /// Puts a user into its groups; gives those that are not there.
    fn join(&mut self, user: &User) -> Vec<String> {
        let mut told = Vec::new();
        for group in &user.groups {
            if !self.group.join(group, &user.name) {
                told.push(format!("the image has no group {group}"));
            } else if let Some(gshadow) = &mut self.gshadow {
                // One without a line there has no password, and group(5) is all that counts.
                let _ = gshadow.join(group, &user.name);
            }
        }
        told
    }

    /// The group of the same name and number.
    fn own_group(&mut self, name: &str, gid: u32) -> Result<(), String> {
        if let Some(fields) = self.group.fields(name) {
            return match fields.get(2) {
                Some(number) if number.parse() == Ok(gid) => Ok(()),
                other => Err(format!(
                    "the image has a group {name} with the number {}, the profile's user has {gid}",
                    other.unwrap_or(&"?")
                )),
            };
        }
        if let Some(other) = self.group.with_number(gid) {
            return Err(format!("the number {gid} is that of the image's group {other}"));
        }
        self.group.put(&[name, "x", &gid.to_string(), ""]);
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.put(&[name, "!", "", ""]);
        }
        Ok(())
    }

    /// Puts the hash into shadow(5), without an age; gives the second field of passwd(5). `*` is good for no password, and keeps
    /// nobody from logging in by a key.
    fn password(&mut self, user: &User) -> String {
        let new = if user.password_hash.is_empty() { "*" } else { &user.password_hash };
        let present = self.passwd.fields(&user.name).and_then(|fields| fields.get(1).map(|field| (*field).to_owned()));
        let present = present.filter(|_| user.password_hash.is_empty());
        let Some(shadow) = &mut self.shadow else { return present.unwrap_or_else(|| new.to_owned()) };
        match shadow.fields(&user.name).map(|fields| fields.into_iter().map(str::to_owned).collect::<Vec<_>>()) {
            Some(_) if user.password_hash.is_empty() => {}
            // An image that keeps it in passwd(5).
            None if present.as_ref().is_some_and(|field| field != "x") => return present.unwrap_or_default(),
            Some(mut fields) if fields.len() > 1 => {
                fields[1] = new.to_owned();
                // Neither to be changed at once, nor over.
                if let Some(changed) = fields.get_mut(2) {
                    changed.clear();
                }
                shadow.put(&fields.iter().map(String::as_str).collect::<Vec<_>>());
            }
            _ => shadow.put(&[&user.name, new, "", "0", "99999", "7", "", "", ""]),
        }
        "x".to_owned()
    }
}

/// No field ends a field or a line, whatever the server says.
fn honest(user: &User) -> Result<(), String> {
    let plain = |text: &str| !text.contains([':', '\n', '\r', '\0']);
    let name = |text: &str| {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        first && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
    };
    let path = |text: &str| text.is_empty() || (text.starts_with('/') && plain(text));
    if !name(&user.name) || !user.groups.iter().all(|group| name(group)) {
        return Err("expected names of a-z, 0-9, '_' and '-', got something else".to_owned());
    }
    if !path(&user.shell) || !path(&user.home) || !plain(&user.comment) || !plain(&user.password_hash) {
        return Err("expected fields without ':' and ends of lines, got some".to_owned());
    }
    if (user.name == "root") != (user.uid == 0) || user.uid == u32::MAX {
        return Err(format!("expected 0 for root alone, got {}", user.uid));
    }
    Ok(())
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(32).collect()
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
