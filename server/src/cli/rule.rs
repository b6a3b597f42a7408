//! `higuma rule`: admission rules. The server keeps one ordered list; each change reads it, changes it and puts it back
//! whole, and the server refuses it when somebody else was faster.

use super::Global;
use super::client::Client;
use super::error::{Failure, Result};
use super::output::{self, answer, typed};
use higuma_proto::api::{PutRules, Rule, RuleChange, RuleList, RuleTest, RuleTestAnswer};
use std::path::PathBuf;
use ureq::http::Method;

const PATH: &str = "/api/v1/rules";
/// Pieces of a fleet that a test goes through.
const MOST_PIECES: usize = 100_000;

/// Admission rules
#[derive(Debug, clap::Subcommand)]
pub enum RuleCommand {
    /// All rules, in order: the first that matches a node counts
    #[command(after_help = "Example:\n  higuma rule list\n  higuma rule list -o json > rules.json")]
    List,
    /// Add a rule, at the end unless told otherwise
    #[command(
        after_help = "Example:\n  higuma rule add lab --when 'node.serial.startsWith(\"LAB\")' --admission admitted\n  \
                      higuma rule add old --when 'node.memory.total < 64*GiB' --park poweroff --park-after 5m --before lab\n  \
                      higuma rule add gpu --when 'size(node.gpus) > 0' --profile gpu --hostname 'gpu-{n:03}' --tag gpu"
    )]
    #[command(group = clap::ArgGroup::new("says").required(true).multiple(true).args(["admission", "park", "profile", "cluster", "hostname", "tags"]))]
    #[command(group = clap::ArgGroup::new("place").args(["before", "after"]))]
    Add {
        /// Its name
        name: String,
        /// For which nodes: an expression over `node`
        #[arg(long, value_name = "EXPR")]
        when: String,
        /// How they are received: admitted, pending or rejected
        #[arg(long, value_name = "WORD")]
        admission: Option<String>,
        /// What they do without a profile: wait, poweroff or reboot
        #[arg(long, value_name = "WORD")]
        park: Option<String>,
        /// How long they wait before [default: the setting park-after]
        #[arg(long, value_name = "DURATION", requires = "park")]
        park_after: Option<String>,
        /// Profile, cluster, host name, tags
        #[command(flatten)]
        sets: Sets,
        /// Put it before this rule
        #[arg(long, value_name = "RULE")]
        before: Option<String>,
        /// Put it after this rule
        #[arg(long, value_name = "RULE")]
        after: Option<String>,
    },
    /// Remove a rule; what it decided stays
    #[command(after_help = "Example:\n  higuma rule remove lab")]
    Remove {
        /// Its name
        name: String,
    },
    /// Put a rule elsewhere in the order
    #[command(after_help = "Example:\n  higuma rule move lab --before old")]
    #[command(group = clap::ArgGroup::new("place").required(true).args(["before", "after"]))]
    Move {
        /// Its name
        name: String,
        /// Before this rule
        #[arg(long, value_name = "RULE")]
        before: Option<String>,
        /// After this rule
        #[arg(long, value_name = "RULE")]
        after: Option<String>,
    },
    /// Try an expression, or a whole list of rules, on the fleet; nothing is changed
    #[command(
        after_help = "Example:\n  higuma rule test --when 'node.disks.exists(d, d.rotational)'\n  higuma rule test --rules rules.json"
    )]
    #[command(group = clap::ArgGroup::new("what").required(true).args(["when", "rules"]))]
    Test {
        /// An expression over `node`
        #[arg(long, value_name = "EXPR")]
        when: Option<String>,
        /// A list as `higuma rule list -o json` prints it
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
    },
}

/// What nodes are to be that no person said otherwise of
#[derive(Debug, clap::Args)]
pub struct Sets {
    /// Profile that they boot
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Cluster that they are in
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Host name, with {n} or {n:03} (a number of its own for ever), {serial} or {cluster} in it
    #[arg(long, value_name = "PATTERN")]
    hostname: Option<String>,
    /// Tag that they have as long as the rule matches; may be given several times
    #[arg(long = "tag", value_name = "NAME")]
    tags: Vec<String>,
}

pub(super) fn run(global: &Global, command: RuleCommand) -> Result<()> {
    let client = Client::new(global)?;
    match command {
        RuleCommand::List => answer(global.format, client.get(PATH)?, |list: RuleList| table(&list)),
        RuleCommand::Add { name, when, admission, park, park_after, sets, before, after } => {
            let park_after_seconds = park_after.map(|text| seconds(&text)).transpose()?;
            let Sets { profile, cluster, hostname, tags } = sets;
            let rule = Rule { name, when, admission, park, park_after_seconds, profile, cluster, hostname, tags };
            change(global, &client, |rules| insert(rules, rule, before.as_deref(), after.as_deref()))
        }
        RuleCommand::Remove { name } => change(global, &client, |rules| take(rules, &name).map(drop)),
        RuleCommand::Move { name, before, after } => change(global, &client, |rules| {
            let rule = take(rules, &name)?;
            insert(rules, rule, before.as_deref(), after.as_deref())
        }),
        RuleCommand::Test { when, rules } => {
            let rules = rules.map(|file| read(&file)).transpose()?;
            let whole = test(&client, RuleTest { when, rules, cursor: None })?;
            let value = serde_json::to_value(&whole).map_err(|e| Failure::because("JSON", &e))?;
            answer(global.format, value, |tested: RuleTestAnswer| tested_table(&tested))
        }
    }
}

fn change(global: &Global, client: &Client, how: impl FnOnce(&mut Vec<Rule>) -> Result<()>) -> Result<()> {
    let mut list: RuleList = typed(client.get(PATH)?)?;
    how(&mut list.rules)?;
    let put = PutRules { rules: list.rules, expected_hash: Some(list.hash) };
    answer(global.format, client.call(Method::PUT, PATH, Some(&put))?, |list: RuleList| table(&list))
}

fn position(rules: &[Rule], name: &str) -> Result<usize> {
    let missing = || Failure::not_found(format!("there is no rule {name:?}: see `higuma rule list`"));
    rules.iter().position(|rule| rule.name == name).ok_or_else(missing)
}

fn take(rules: &mut Vec<Rule>, name: &str) -> Result<Rule> {
    let at = position(rules, name)?;
    Ok(rules.remove(at))
}

fn insert(rules: &mut Vec<Rule>, rule: Rule, before: Option<&str>, after: Option<&str>) -> Result<()> {
    let at = match (before, after) {
        (Some(name), _) => position(rules, name)?,
        (None, Some(name)) => position(rules, name)? + 1,
        (None, None) => rules.len(),
    };
    rules.insert(at, rule);
    Ok(())
}

fn seconds(text: &str) -> Result<u32> {
    crate::config::duration_or_zero(text)
        .and_then(|micros| u32::try_from(micros / 1_000_000).ok())
        .ok_or_else(|| Failure::usage(format!("--park-after: expected a time like 90s, 15m or 0s, got {text:?}")))
}

fn read(file: &std::path::Path) -> Result<Vec<Rule>> {
    let text =
        std::fs::read_to_string(file).map_err(|e| Failure::usage(format!("cannot read {}: {e}", file.display())))?;
    let list: Result<Vec<Rule>> = match serde_json::from_str::<RuleList>(&text) {
        Ok(list) => Ok(list.rules),
        Err(_) => serde_json::from_str(&text).map_err(|e| {
            Failure::usage(format!("{}: expected a list as `higuma rule list -o json` prints it: {e}", file.display()))
        }),
    };
    list
}

/// Piece by piece through the whole fleet; what is counted is added up.
fn test(client: &Client, mut what: RuleTest) -> Result<RuleTestAnswer> {
    let mut whole = RuleTestAnswer::default();
    for _ in 0..MOST_PIECES {
        let piece: RuleTestAnswer = typed(client.call(Method::POST, "/api/v1/rules/test", Some(&what))?)?;
        whole.scanned += piece.scanned;
        whole.matching += piece.matching;
        whole.nodes.extend(piece.nodes);
        whole.changes.extend(piece.changes);
        whole.failures.extend(piece.failures);
        whole.nodes.truncate(100);
        whole.changes.truncate(100);
        whole.failures.truncate(10);
        if piece.next.is_none() || piece.next == what.cursor {
            return Ok(whole);
        }
        what.cursor = piece.next;
    }
    Err(Failure::failed("the fleet does not end: report this as a fault"))
}

fn table(list: &RuleList) -> String {
    let rows: Vec<[String; 6]> = (1..)
        .zip(&list.rules)
        .map(|(place, rule): (usize, &Rule)| {
            let after = rule.park_after_seconds.map(|s| format!(" after {s} s")).unwrap_or_default();
            [
                place.to_string(),
                rule.name.clone(),
                rule.admission.clone().unwrap_or_default(),
                rule.park.as_ref().map(|park| format!("{park}{after}")).unwrap_or_default(),
                rule.sets().join(", "),
                rule.when.clone(),
            ]
        })
        .collect();
    let mut text = output::table(["#", "NAME", "ADMISSION", "PARK", "SETS", "WHEN"], &rows);
    for warning in &list.warnings {
        text += &format!("warning: {}\n", output::clean(warning));
    }
    match list.evaluating.as_deref() {
        None => {}
        Some("") => text += "the nodes that are there are about to be asked about\n",
        Some(node) => {
            text += &format!("being asked about the nodes that are there; it came to {}\n", output::clean(node))
        }
    }
    text
}

fn tested_table(tested: &RuleTestAnswer) -> String {
    let mut text = String::new();
    if !tested.nodes.is_empty() {
        text += &super::node::list_table(&tested.nodes, output::now_us());
    }
    if !tested.changes.is_empty() {
        let row = |c: &RuleChange| [c.node.clone(), c.hostname.clone(), c.change.clone(), c.because.clone()];
        let rows: Vec<[String; 4]> = tested.changes.iter().map(row).collect();
        text += &output::table(["UUID", "HOSTNAME", "CHANGE", "BECAUSE"], &rows);
    }
    for failure in &tested.failures {
        text += &format!("{}\n", output::clean(failure));
    }
    text + &format!("{} nodes\n", tested.matching)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cli::Exit;

    fn rule(name: &str) -> Rule {
        Rule {
            name: name.into(),
            when: "true".into(),
            admission: Some("admitted".into()),
            park: Some("reboot".into()),
            park_after_seconds: Some(60),
            profile: Some("web".into()),
            cluster: None,
            hostname: None,
            tags: vec!["gpu".into()],
        }
    }

    #[test]
    fn rules_are_put_where_they_are_wanted() {
        let mut rules = vec![rule("a"), rule("b")];
        let names = |rules: &[Rule]| rules.iter().map(|r| r.name.clone()).collect::<Vec<_>>().join(" ");
        insert(&mut rules, rule("c"), Some("b"), None).unwrap();
        insert(&mut rules, rule("d"), None, Some("a")).unwrap();
        insert(&mut rules, rule("e"), None, None).unwrap();
        assert_eq!(names(&rules), "a d c b e");
        take(&mut rules, "d").unwrap();
        assert_eq!(names(&rules), "a c b e");
        assert_eq!(insert(&mut rules, rule("f"), Some("x"), None).unwrap_err().exit, Exit::NotFound);
        assert_eq!((seconds("5m").unwrap(), seconds("0s").unwrap()), (300, 0));
        assert_eq!(seconds("5").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn the_list() {
        let list =
            RuleList { rules: vec![rule("a")], hash: String::new(), warnings: vec!["w".into()], evaluating: None };
        assert_eq!(
            table(&list),
            "#  NAME  ADMISSION  PARK               SETS                  WHEN\n1  a     admitted   reboot after 60 s  profile web, tag gpu  true\nwarning: w\n"
        );
    }
}
