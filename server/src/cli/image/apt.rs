//! Which package sources a build uses: a mirror given by hand, a snapshot, those of this machine that serve the wanted suite, or the
//! distribution's own.
//! Only Debian's own components count; third parties' repositories and backports stay out of images.

use super::distribution::{self, Distribution};
use super::recipe::Recipe;
use crate::cli::error::{Failure, Result};
use std::path::Path;

const COMPONENTS: [&str; 4] = ["main", "contrib", "non-free", "non-free-firmware"];

/// One-line sources (sources.list(5)) for `suite` from this machine's configuration; empty when it has none.
pub fn of_machine(suite: &str) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir("/etc/apt/sources.list.d")
        .map(|dir| dir.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    files.push("/etc/apt/sources.list".into());
    files.sort();
    let mut lines = Vec::new();
    for path in files {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let found = match path.extension().and_then(|e| e.to_str()) {
            Some("sources") => deb822(&text, suite),
            Some("list") => one_line(&text, suite),
            _ => Vec::new(),
        };
        lines.extend(found);
    }
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    // Updates alone make no system.
    if lines.iter().any(|l| l.split(' ').any(|word| word == suite)) { lines } else { Vec::new() }
}

/// One-line sources for a recipe. Errors: the key ring that they are signed by is not on this machine.
pub fn sources(recipe: &Recipe) -> Result<Vec<String>> {
    let own = match (&recipe.mirror, &recipe.snapshot) {
        (None, None) => of_machine(&recipe.suite),
        _ => Vec::new(),
    };
    if !own.is_empty() {
        return Ok(own.iter().map(|line| with_components(line, &recipe.components)).collect());
    }
    sources_by_keyring(recipe, |path| Path::new(path).is_file())
}

fn sources_by_keyring(recipe: &Recipe, is_there: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let distribution = distribution::of(recipe)?;
    let (keyring, package) = distribution.keyring();
    let mut options = Vec::new();
    match (&recipe.keyring, &recipe.mirror) {
        (Some(path), _) if is_there(path) => {}
        (Some(path), _) => {
            return Err(Failure::usage(format!("expected a key ring at {path} of this machine, and there is none")));
        }
        // Signed by whom this machine trusts.
        (None, Some(_)) if distribution == Distribution::Debian || !is_there(keyring) => {}
        _ if is_there(keyring) => options.push(format!("signed-by={keyring}")),
        _ => {
            return Err(Failure::failed(format!(
                "expected the key ring {keyring}, which is not on this machine: run `apt-get install {package}`, or give one \
                 by `keyring`"
            )));
        }
    }
    // Release files end to be valid a week after they are made; those of a snapshot are older.
    if recipe.snapshot.is_some() {
        options.push("check-valid-until=no".to_owned());
    }
    let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(" ")) };
    let archives = match &recipe.mirror {
        Some(mirror) => distribution.mirrored(mirror, &recipe.suite),
        None => distribution.archives(&recipe.suite, recipe.snapshot.as_deref()),
    };
    let components = if recipe.components.is_empty() { "main".to_owned() } else { recipe.components.join(" ") };
    Ok(archives.into_iter().map(|(url, suite)| format!("deb{options} {url} {suite} {components}")).collect())
}

/// The same source with other components, if some are given.
fn with_components(line: &str, components: &[String]) -> String {
    // deb [option=value] address suite component...
    let fixed = if line.starts_with("deb [") { 4 } else { 3 };
    match components {
        [] => line.to_owned(),
        components => {
            let fixed: Vec<&str> = line.split(' ').take(fixed).collect();
            format!("{} {}", fixed.join(" "), components.join(" "))
        }
    }
}

/// Sources for a mirror: the suite and its updates.
pub fn of_mirror(url: &str, suite: &str) -> Vec<String> {
    vec![format!("deb {url} {suite} main"), format!("deb {url} {suite}-updates main")]
}

fn wanted(suite: &str, candidate: &str) -> bool {
    candidate == suite || candidate == format!("{suite}-updates") || candidate == format!("{suite}-security")
}

fn line(signed_by: Option<&str>, uri: &str, suite: &str, components: &[&str]) -> Option<String> {
    let components: Vec<&str> = components.iter().copied().filter(|c| COMPONENTS.contains(c)).collect();
    // Network sources only: a cdrom or a folder of this machine would be dead in the image.
    let usable = uri.starts_with("http://") || uri.starts_with("https://");
    if components.is_empty() || !usable {
        return None;
    }
    let option = signed_by.filter(|p| p.starts_with('/') && Path::new(p).is_file());
    let option = option.map(|p| format!(" [signed-by={p}]")).unwrap_or_default();
    Some(format!("deb{option} {uri} {suite} {}", components.join(" ")))
}

/// The one-line format: `deb [option=value ...] uri suite component...`.
fn one_line(text: &str, suite: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in text.lines().filter_map(|l| l.split('#').next()).map(str::trim) {
        let Some(entry) = entry.strip_prefix("deb ").map(str::trim) else { continue };
        let (options, entry) = match entry.strip_prefix('[').and_then(|e| e.split_once(']')) {
            Some((options, entry)) => (options, entry),
            None => ("", entry),
        };
        let signed_by = options.split_whitespace().find_map(|o| o.strip_prefix("signed-by="));
        if let [uri, s, components @ ..] = &entry.split_whitespace().collect::<Vec<_>>()[..]
            && wanted(suite, s)
        {
            found.extend(line(signed_by, uri, s, components));
        }
    }
    found
}

/// The deb822 format: stanzas of `Field: values`, continued by lines that begin with a blank.
fn deb822(text: &str, suite: &str) -> Vec<String> {
    let mut found = Vec::new();
    let text: String = text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{}\n", l.trim_end())).collect();
    for stanza in text.split("\n\n") {
        let field = |name: &str| -> Vec<&str> {
            let mut values = Vec::new();
            let mut inside = false;
            for l in stanza.lines() {
                if l.starts_with([' ', '\t']) {
                    if inside {
                        values.extend(l.split_whitespace());
                    }
                    continue;
                }
                inside = false;
                if let Some((key, rest)) = l.split_once(':')
                    && key.eq_ignore_ascii_case(name)
                {
                    inside = true;
                    values.extend(rest.split_whitespace());
                }
            }
            values
        };
        let off = field("Enabled").first().is_some_and(|v| v.eq_ignore_ascii_case("no"));
        if off || !field("Types").contains(&"deb") {
            continue;
        }
        let (uris, suites, components) = (field("URIs"), field("Suites"), field("Components"));
        let signed_by = field("Signed-By");
        for uri in &uris {
            for s in suites.iter().filter(|s| wanted(suite, s)) {
                found.extend(line(signed_by.first().copied(), uri, s, &components));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(text: &str, keyrings: &[&str]) -> Result<Vec<String>> {
        let recipe = Recipe::parse(&format!("name = 'a'\n{text}"), "r", Path::new("/")).unwrap();
        sources_by_keyring(&recipe, |path| keyrings.contains(&path))
    }

    #[test]
    fn sources_of_recipes() {
        let debian = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let ubuntu = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";
        let is = |text, keyrings: &[&str], expected: &[&str]| assert_eq!(lines(text, keyrings).unwrap(), expected);
        is(
            "suite = 'bookworm'\nsnapshot = '20261120T000000Z'",
            &[debian],
            &[
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] http://snapshot.debian.org/archive/debian/20261120T000000Z bookworm main",
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] http://snapshot.debian.org/archive/debian/20261120T000000Z bookworm-updates main",
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] http://snapshot.debian.org/archive/debian-security/20261120T000000Z bookworm-security main",
            ],
        );
        let jammy = "suite = 'jammy'\nsnapshot = '20261120T000000Z'\ncomponents = ['main', 'universe']";
        let found = lines(jammy, &[ubuntu]).unwrap();
        assert_eq!(found.len(), 3);
        let options = "[signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg check-valid-until=no]";
        let url = "https://snapshot.ubuntu.com/ubuntu/20261120T000000Z";
        assert_eq!(found[2], format!("deb {options} {url} jammy-security main universe"));
        let missing = lines(jammy, &[debian]).unwrap_err().message;
        assert!(missing.contains("apt-get install ubuntu-keyring"), "{missing}");
        is("suite = 'sid'\nmirror = 'http://m/d'", &[debian], &["deb http://m/d sid main"]);
        let mirror = "suite = 'trixie'\nmirror = 'http://m/d'\nkeyring = '/k'\nsnapshot = '20261120T000000Z'";
        is(
            mirror,
            &["/k"],
            &[
                "deb [check-valid-until=no] http://m/d trixie main",
                "deb [check-valid-until=no] http://m/d trixie-updates main",
            ],
        );
        assert!(lines(mirror, &[]).unwrap_err().message.contains("/k"));
        let more = ["main".to_owned(), "non-free".to_owned()];
        assert_eq!(
            with_components("deb [signed-by=/k] http://m s main", &more),
            "deb [signed-by=/k] http://m s main non-free"
        );
        assert_eq!(with_components("deb http://m s main contrib", &more[..1]), "deb http://m s main");
        assert_eq!(with_components("deb http://m s main", &[]), "deb http://m s main");
    }

    #[test]
    fn deb822_sources() {
        let text = "Types: deb\n# comment\nURIs: http://deb.example/debian\nSuites: bookworm bookworm-updates\n \
                    bookworm-backports\nComponents: main non-free-firmware\n\n\nTypes: deb\nURIs: https://third.example\n\
                    Suites: bookworm\nComponents: stable\n\nEnabled: no\nTypes: deb\nURIs: http://off.example\n\
                    Suites: bookworm\nComponents: main\n";
        assert_eq!(
            deb822(text, "bookworm"),
            [
                "deb http://deb.example/debian bookworm main non-free-firmware",
                "deb http://deb.example/debian bookworm-updates main non-free-firmware"
            ]
        );
    }

    #[test]
    fn one_line_sources() {
        let text = "# deb http://no.example bookworm main\n\
                    deb [arch=amd64 signed-by=/does/not/exist.gpg] http://deb.example/debian bookworm main # x\n\
                    deb-src http://deb.example/debian bookworm main\n\
                    deb https://download.example/linux/debian bookworm stable\n\
                    deb cdrom:[Debian]/ bookworm main\n\
                    deb http://security.example/debian-security bookworm-security main\n";
        assert_eq!(
            one_line(text, "bookworm"),
            [
                "deb http://deb.example/debian bookworm main",
                "deb http://security.example/debian-security bookworm-security main"
            ]
        );
    }
}
