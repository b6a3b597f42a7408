//! What is on a node's disk by a profile of the mode installer, and what follows for its next boot. The mark that an
//! installation was done is what keeps a node from its installer for ever: it is written before the installer hears "yes".

use super::ids::{Micros, Name, NodeUuid, Sha256};
use uuid::Uuid;

/// Attempts after each other, at most; then a person has to ask again.
pub const ATTEMPTS_MAX: u32 = 3;

/// The last installation of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Whose disk.
    pub node: NodeUuid,
    /// By which profile.
    pub profile: Name,
    /// And revision, of the last attempt.
    pub revision: u32,
    /// So many, since it was asked for.
    pub attempts: u32,
    /// Of the last attempt.
    pub boot: Uuid,
    /// Hash of the token in its addresses.
    pub token_hash: Sha256,
    /// The last attempt began.
    pub started: Micros,
    /// The installer called back.
    pub installed: Option<Micros>,
}

/// What a node with an installer profile boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The installer, for the so many-th time.
    Install(u32),
    /// Its disk.
    Disk,
    /// Nothing: it was tried often enough.
    GivenUp,
}

/// Of a node that has this profile now. What another profile installed does not count; what this one did does, however
/// often the node had others meanwhile. `under_way`: the boot that asks; what began in it is no
/// further attempt.
pub fn next(profile: &Name, last: Option<&Install>, under_way: Option<Uuid>) -> Next {
    match last.filter(|last| last.profile == *profile) {
        None => Next::Install(1),
        Some(last) if last.installed.is_some() => Next::Disk,
        Some(last) if under_way == Some(last.boot) => Next::Install(last.attempts),
        Some(last) if last.attempts >= ATTEMPTS_MAX => Next::GivenUp,
        Some(last) => Next::Install(last.attempts.saturating_add(1)),
    }
}

/// Why a node waits whose installer was given up.
pub fn given_up(profile: &Name) -> String {
    format!(
        "the installer of profile {profile} did not call back in {ATTEMPTS_MAX} attempts: see its boots, then `higuma node reinstall`"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_installer_is_run_until_it_called_back_and_no_more_than_so_often() {
        let name = |name: &str| name.parse::<Name>().unwrap();
        let last = |attempts, installed| Install {
            node: "4c4c4544-0046-3010-8052-b4c04f4a4d32".parse().unwrap(),
            profile: name("a"),
            revision: 1,
            attempts,
            boot: Uuid::nil(),
            token_hash: Sha256::of("t"),
            started: 0,
            installed,
        };
        let of_a = |last: &Install| next(&name("a"), Some(last), Some(Uuid::max()));
        assert_eq!(next(&name("a"), None, None), Next::Install(1));
        assert_eq!(of_a(&last(1, None)), Next::Install(2));
        assert_eq!(of_a(&last(2, None)), Next::Install(3));
        assert_eq!(of_a(&last(3, None)), Next::GivenUp);
        assert_eq!(of_a(&last(4, None)), Next::GivenUp);
        for attempts in 1..=3 {
            assert_eq!(of_a(&last(attempts, Some(5))), Next::Disk);
        }
        // A lost answer is asked for again.
        assert_eq!(next(&name("a"), Some(&last(3, None)), Some(Uuid::nil())), Next::Install(3));
        // Another profile is another installation.
        assert_eq!(next(&name("b"), Some(&last(1, Some(5))), None), Next::Install(1));
        assert_eq!(next(&name("b"), Some(&last(3, None)), None), Next::Install(1));
    }
}
