//! Which package sources a build uses: those of this machine that serve the wanted suite, or a mirror given by hand.
//! Only Debian's own components count; third parties' repositories and backports stay out of images.

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
    use super::*;

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
