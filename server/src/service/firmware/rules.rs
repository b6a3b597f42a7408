//! People make, change, order and delete the rules. The archive of an update is uploaded first; a rule names it.

use super::reassess;
use crate::domain::firmware::{Rule, Target, check};
use crate::domain::{Micros, Name};
use crate::error::{Error, Result};
use crate::service::App;
use crate::store::Tx;
use higuma_proto::api::{FirmwareProgram, FirmwareRule, NewFirmwareRule, Page};

/// Rules, at most.
pub const RULES_MAX: usize = 200;

/// All of them, in their order.
pub async fn list(app: &App) -> Result<Page<FirmwareRule>> {
    let rules = app.store.read(|tx| tx.firmware_rules()).await?;
    Ok(page(&rules))
}

/// Make a rule, the last of the list. Errors: what does not parse or fit, a blob that is not there, a name that is taken.
pub async fn create(app: &App, new: NewFirmwareRule) -> Result<FirmwareRule> {
    let rule = parse(new, app.now())?;
    let name = rule.name.clone();
    change(app, move |tx, rules| {
        if rules.len() >= RULES_MAX {
            return Err(Error::Conflict(format!("there are {RULES_MAX} firmware rules already: delete one first")));
        }
        if rules.iter().any(|present| present.name == rule.name) {
            let name = &rule.name;
            return Err(Error::Conflict(format!(
                "there is a firmware rule {name} already: change it, or delete it first"
            )));
        }
        need_blob(tx, &rule)?;
        rules.push(rule.clone());
        Ok(())
    })
    .await
    .and_then(|rules| one(&rules, &name))
}

/// Change a rule; its place stays.
pub async fn update(app: &App, name: Name, new: NewFirmwareRule) -> Result<FirmwareRule> {
    let rule = parse(new, app.now())?;
    if rule.name != name {
        let body = &rule.name;
        return Err(Error::BadRequest(format!("the path names rule {name}, the body {body}: they must agree")));
    }
    let key = name.clone();
    let rules = change(app, move |tx, rules| {
        let present = rules.iter_mut().find(|present| present.name == name).ok_or_else(|| not_found(&name))?;
        need_blob(tx, &rule)?;
        *present = rule.clone();
        Ok(())
    });
    one(&rules.await?, &key)
}

/// Put a rule before another, or at the end.
pub async fn move_before(app: &App, name: Name, before: Option<Name>) -> Result<Page<FirmwareRule>> {
    let rules = change(app, move |_, rules| {
        let at = rules.iter().position(|rule| rule.name == name).ok_or_else(|| not_found(&name))?;
        let rule = rules.remove(at);
        let to = match &before {
            None => rules.len(),
            Some(before) if *before == name => at,
            Some(before) => rules.iter().position(|r| r.name == *before).ok_or_else(|| not_found(before))?,
        };
        rules.insert(to, rule);
        Ok(())
    });
    Ok(page(&rules.await?))
}

/// Delete a rule. Attempts that are under way are not stopped by it.
pub async fn delete(app: &App, name: Name) -> Result<()> {
    change(app, move |_, rules| {
        let before = rules.len();
        rules.retain(|rule| rule.name != name);
        if rules.len() == before { Err(not_found(&name)) } else { Ok(()) }
    })
    .await
    .map(drop)
}

/// One change of the list, in a transaction; afterwards all nodes are judged anew, in the background.
async fn change(
    app: &App,
    edit: impl Fn(&mut Tx<'_>, &mut Vec<Rule>) -> Result<()> + Send + Sync + 'static,
) -> Result<Vec<Rule>> {
    let now = app.now();
    let rules = app
        .store
        .write(move |tx| {
            let before = tx.firmware_rules()?;
            let mut rules = before.clone();
            edit(tx, &mut rules)?;
            tx.put_firmware_rules(&rules)?;
            keep_blobs(tx, &before, now)?;
            Ok(rules)
        })
        .await?;
    reassess::start(app);
    Ok(rules)
}

/// Archives that no rule names any more: a person may want one back, so their grace counts from now.
fn keep_blobs(tx: &mut Tx<'_>, before: &[Rule], now: Micros) -> Result<()> {
    for blob in before.iter().filter_map(|rule| rule.update.as_ref()).map(|update| &update.blob) {
        if let Some(size) = tx.blob(blob)? {
            tx.put_blob(blob, size, now)?;
        }
    }
    Ok(())
}

/// Bytes of an archive: a node has it in memory, beside what it unpacks to.
const ARCHIVE_MAX: u64 = 2 << 30;

fn need_blob(tx: &mut Tx<'_>, rule: &Rule) -> Result<()> {
    let Some(blob) = rule.update.as_ref().map(|update| &update.blob) else { return Ok(()) };
    match tx.blob(blob)? {
        None => {
            let what = format!("the archive {blob} is not here: upload it first (`higuma firmware upload`)");
            Err(Error::BadRequest(what))
        }
        Some(size) if size > ARCHIVE_MAX => {
            Err(Error::BadRequest(format!("the archive {blob} has {size} bytes, expected 2 GiB at most")))
        }
        Some(_) => Ok(()),
    }
}

fn parse(new: NewFirmwareRule, now: Micros) -> Result<Rule> {
    let target = |program: FirmwareProgram| -> Result<Target> {
        let FirmwareProgram { blob, exec, args, deadline_seconds } = program;
        Ok(Target { blob: blob.parse()?, exec, args, deadline_seconds })
    };
    let rule = Rule {
        name: new.name.parse()?,
        component: new.component.parse()?,
        vendor: new.vendor.parse()?,
        model: new.model.parse()?,
        wanted: new.wanted,
        allowed: new.allowed,
        mode: new.mode.parse()?,
        on_failure: new.on_failure.parse()?,
        update: new.update.map(target).transpose()?,
        changed: now,
    };
    check(&rule)?;
    Ok(rule)
}

fn wire(rule: &Rule, position: u32) -> FirmwareRule {
    let program = |target: &Target| FirmwareProgram {
        blob: target.blob.to_string(),
        exec: target.exec.clone(),
        args: target.args.clone(),
        deadline_seconds: target.deadline_seconds,
    };
    FirmwareRule {
        spec: NewFirmwareRule {
            name: rule.name.to_string(),
            component: rule.component.to_string(),
            vendor: rule.vendor.to_string(),
            model: rule.model.to_string(),
            wanted: rule.wanted.clone(),
            allowed: rule.allowed.clone(),
            mode: rule.mode.to_string(),
            on_failure: rule.on_failure.to_string(),
            update: rule.update.as_ref().map(program),
        },
        position,
        changed_us: rule.changed,
    }
}

fn page(rules: &[Rule]) -> Page<FirmwareRule> {
    Page { items: rules.iter().zip(1..).map(|(rule, position)| wire(rule, position)).collect(), next: None }
}

fn one(rules: &[Rule], name: &Name) -> Result<FirmwareRule> {
    let found = rules.iter().zip(1..).find(|(rule, _)| rule.name == *name);
    found.map(|(rule, position)| wire(rule, position)).ok_or_else(|| not_found(name))
}

fn not_found(name: &Name) -> Error {
    Error::NotFound(format!("there is no firmware rule {name}: see `higuma firmware rule list`"))
}
