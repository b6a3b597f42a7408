//! Users (22.26-22.30): names, passwords, what they may do on a channel. A password goes into a request and nowhere else.

use crate::{Command, Completion, Malformed, NetFn, Password};

/// Longest user name, bytes (22.28).
pub const NAME_MAX: usize = 16;
/// No BMC has more users (6 bits).
pub const USERS_MAX: u8 = 63;

/// What a user, or a session by a channel, may do at most (6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// No access (0Fh), or reserved.
    None,
    /// Callback only.
    Callback,
    /// Reads.
    User,
    /// Everything but configuration.
    Operator,
    /// Everything.
    Administrator,
    /// The vendor's own.
    Oem,
}

impl Privilege {
    /// As on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0x0f,
            Self::Callback => 1,
            Self::User => 2,
            Self::Operator => 3,
            Self::Administrator => 4,
            Self::Oem => 5,
        }
    }

    /// Of the low four bits.
    pub fn of(code: u8) -> Self {
        match code & 0x0f {
            1 => Self::Callback,
            2 => Self::User,
            3 => Self::Operator,
            4 => Self::Administrator,
            5 => Self::Oem,
            _ => Self::None,
        }
    }

    /// "callback", "user", "operator", "administrator", "oem" or "none".
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Callback => "callback",
            Self::User => "user",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
            Self::Oem => "oem",
        }
    }

    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::None, Self::Callback, Self::User, Self::Operator, Self::Administrator, Self::Oem]
            .into_iter()
            .find(|privilege| privilege.word() == word)
    }
}

/// Get User Access (22.27).
#[derive(Debug, Clone, Copy)]
pub struct GetUserAccess {
    /// On which channel.
    pub channel: u8,
    /// User id, from 1.
    pub user: u8,
}

/// A user on a channel, and how many there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAccess {
    /// Users that the channel can have, at most [`USERS_MAX`].
    pub slots: u8,
    /// None: the BMC does not tell.
    pub enabled: Option<bool>,
    /// May be used for IPMI messages.
    pub messaging: bool,
    /// May be used for link authentication.
    pub link: bool,
    /// Only by callback.
    pub callback_only: bool,
    /// The highest that it may have.
    pub privilege: Privilege,
}

impl Command for GetUserAccess {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x44;
    const NAME: &'static str = "Get User Access";
    type Answer = UserAccess;

    fn data(&self) -> Vec<u8> {
        vec![self.channel & 0x0f, self.user & 0x3f]
    }

    fn answer(&self, data: &[u8]) -> Result<UserAccess, Malformed> {
        let [slots, enabled, _, access, ..] = *data else { return Err(Malformed::short(Self::NAME, "4 bytes", data)) };
        Ok(UserAccess {
            slots: slots & 0x3f,
            enabled: match enabled >> 6 {
                1 => Some(true),
                2 => Some(false),
                _ => None,
            },
            callback_only: access & 0x40 != 0,
            link: access & 0x20 != 0,
            messaging: access & 0x10 != 0,
            privilege: Privilege::of(access),
        })
    }
}

/// Set User Access (22.26).
#[derive(Debug, Clone, Copy)]
pub struct SetUserAccess {
    /// On which channel.
    pub channel: u8,
    /// User id, from 1.
    pub user: u8,
    /// IPMI messaging and link authentication; none: both, and callback, stay as they are.
    pub access: Option<(bool, bool)>,
    /// The highest that it may have.
    pub privilege: Privilege,
}

impl Command for SetUserAccess {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x43;
    const NAME: &'static str = "Set User Access";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let flags = match self.access {
            Some((messaging, link)) => 0x80 | (u8::from(messaging) << 4) | (u8::from(link) << 5),
            None => 0,
        };
        vec![flags | (self.channel & 0x0f), self.user & 0x3f, self.privilege.code()]
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// Get User Name (22.29).
#[derive(Debug, Clone, Copy)]
pub struct GetUserName {
    /// User id, from 1.
    pub user: u8,
}

impl Command for GetUserName {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x46;
    const NAME: &'static str = "Get User Name";
    /// Without padding; empty: the null user, or an empty slot. Bytes that are no UTF-8 are replaced.
    type Answer = String;

    fn data(&self) -> Vec<u8> {
        vec![self.user & 0x3f]
    }

    fn answer(&self, data: &[u8]) -> Result<String, Malformed> {
        // An empty slot may be filled with FFh. Some send no more than the name itself.
        let name = data.iter().copied().take(NAME_MAX).take_while(|byte| !matches!(byte, 0 | 0xff));
        Ok(String::from_utf8_lossy(&name.collect::<Vec<_>>()).into_owned())
    }
}

/// Set User Name (22.28).
#[derive(Debug, Clone)]
pub struct SetUserName {
    /// User id, from 1.
    pub user: u8,
    /// Of more than [`NAME_MAX`] bytes the rest is not sent; empty: none.
    pub name: String,
}

impl Command for SetUserName {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x45;
    const NAME: &'static str = "Set User Name";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let mut data = vec![self.user & 0x3f];
        data.extend(self.name.bytes().chain(std::iter::repeat(0)).take(NAME_MAX));
        data
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

/// How a BMC stores a password (22.30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// As IPMI 1.5 does.
    Bytes16,
    /// As IPMI 2.0 may.
    Bytes20,
}

impl Storage {
    /// Bytes of a password in it.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bytes16 => Password::SHORT,
            Self::Bytes20 => Password::MAX,
        }
    }
}

/// What Set User Password does (22.30).
#[derive(Debug, Clone)]
pub enum PasswordAction {
    /// The user cannot log in.
    Disable,
    /// The user can.
    Enable,
    /// A new password; one that is longer than the storage is cut off, so the caller must not.
    Set(Password, Storage),
    /// Is this the password? The answer is a completion code: see [`Tested::of`].
    Test(Password, Storage),
}

/// What came of [`PasswordAction::Test`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// It is in force.
    Same,
    /// Another one is (80h).
    Other,
    /// It is stored in the other size (81h), so it cannot be this one in this size.
    OtherSize,
}

impl Tested {
    /// By the completion code; none: the BMC refuses to test.
    pub fn of(code: Completion) -> Option<Self> {
        match code.0 {
            0x00 => Some(Self::Same),
            0x80 => Some(Self::Other),
            0x81 => Some(Self::OtherSize),
            _ => None,
        }
    }
}

/// Set User Password (22.30).
#[derive(Debug, Clone)]
pub struct SetUserPassword {
    /// User id, from 1.
    pub user: u8,
    /// What is done.
    pub action: PasswordAction,
}

impl Command for SetUserPassword {
    const NETFN: NetFn = NetFn::APP;
    const CMD: u8 = 0x47;
    const NAME: &'static str = "Set User Password";
    type Answer = ();

    fn data(&self) -> Vec<u8> {
        let user = self.user & 0x3f;
        match &self.action {
            PasswordAction::Disable => vec![user, 0],
            PasswordAction::Enable => vec![user, 1],
            PasswordAction::Set(password, storage) => with_password(user, 2, password, *storage),
            PasswordAction::Test(password, storage) => with_password(user, 3, password, *storage),
        }
    }

    fn answer(&self, _: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }
}

fn with_password(user: u8, operation: u8, password: &Password, storage: Storage) -> Vec<u8> {
    let large = if storage == Storage::Bytes20 { 0x80 } else { 0 };
    // Whole at once: a vector that grows leaves copies behind.
    let mut data = Vec::with_capacity(2 + Password::MAX);
    data.extend([large | user, operation]);
    data.extend(password.reveal().bytes().chain(std::iter::repeat(0)).take(storage.bytes()));
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_of_a_user() {
        let get = GetUserAccess { channel: 1, user: 2 };
        assert_eq!(get.data(), [1, 2]);
        let access = UserAccess {
            slots: 10,
            enabled: Some(true),
            messaging: true,
            link: true,
            callback_only: false,
            privilege: Privilege::Administrator,
        };
        assert_eq!(get.answer(&[10, 0x42, 1, 0x34]), Ok(access));
        assert_eq!(
            get.answer(&[10, 0x82, 1, 0x0f]).map(|a| (a.enabled, a.privilege)),
            Ok((Some(false), Privilege::None))
        );
        assert_eq!(get.answer(&[10, 0x02, 1, 0x0f]).map(|a| a.enabled), Ok(None));
        assert!(get.answer(&[10, 0x02, 1]).is_err());
        let set = |access| SetUserAccess { channel: 8, user: 3, access, privilege: Privilege::Operator }.data();
        assert_eq!(set(Some((true, true))), [0xb8, 3, 3]);
        assert_eq!(set(Some((false, false))), [0x88, 3, 3]);
        assert_eq!(set(None), [0x08, 3, 3]);
    }

    #[test]
    fn names_are_16_bytes() {
        let set = SetUserName { user: 3, name: "higuma".to_owned() };
        assert_eq!(set.data(), b"\x03higuma\0\0\0\0\0\0\0\0\0\0");
        let get = GetUserName { user: 3 };
        assert_eq!(get.answer(b"higuma\0\0\0\0\0\0\0\0\0\0").as_deref(), Ok("higuma"));
        assert_eq!((get.answer(&[0xff; 16]).as_deref(), get.answer(&[]).as_deref()), (Ok(""), Ok("")));
    }

    #[test]
    fn passwords_in_both_sizes() {
        let password = || Password::new("0123456789abcdefghij".to_owned());
        let act = |action| SetUserPassword { user: 2, action }.data();
        assert_eq!(act(PasswordAction::Disable), [2, 0]);
        assert_eq!(act(PasswordAction::Enable), [2, 1]);
        assert_eq!(act(PasswordAction::Set(password(), Storage::Bytes20)), b"\x82\x020123456789abcdefghij");
        let short = Password::new("abc".to_owned());
        assert_eq!(act(PasswordAction::Test(short, Storage::Bytes16)), b"\x02\x03abc\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(
            [0x00, 0x80, 0x81, 0xcc].map(|code| Tested::of(Completion(code))),
            [Some(Tested::Same), Some(Tested::Other), Some(Tested::OtherSize), None]
        );
        let command = SetUserPassword { user: 2, action: PasswordAction::Set(password(), Storage::Bytes20) };
        assert!(!format!("{command:?} {:?}", command.request()).contains("0123"));
    }

    #[test]
    fn words_of_privileges() {
        for code in 0..16 {
            let privilege = Privilege::of(code);
            assert_eq!(Privilege::from_word(privilege.word()), Some(privilege));
            assert!(privilege == Privilege::None || privilege.code() == code);
        }
        assert!(Privilege::Administrator > Privilege::Operator && Privilege::from_word("root").is_none());
    }
}
