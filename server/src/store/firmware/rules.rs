//! The rules, in their order.

use super::{program, program_json};
use crate::domain::Name;
use crate::domain::firmware::Rule;
use crate::error::{Error, Result};
use crate::store::schema::firmware_rules;
use crate::store::tx::{Row, Tx};
use diesel::prelude::*;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = firmware_rules, primary_key(name), treat_none_as_null = true)]
struct RuleRec {
    name: String,
    position: i64,
    component: String,
    vendor: String,
    model: String,
    wanted: String,
    allowed: String,
    mode: String,
    on_failure: String,
    blob: Option<String>,
    program: Option<String>,
    changed: i64,
}

/// Key of the number in `settings` that grows with each change of the rules.
const VERSION: &str = "firmware-rules";

impl RuleRec {
    fn new(rule: &Rule, position: i64) -> Result<Self> {
        Ok(Self {
            name: rule.name.to_string(),
            position,
            component: rule.component.to_string(),
            vendor: rule.vendor.to_string(),
            model: rule.model.to_string(),
            wanted: rule.wanted.clone(),
            allowed: serde_json::to_string(&rule.allowed).map_err(Error::internal)?,
            mode: rule.mode.to_string(),
            on_failure: rule.on_failure.to_string(),
            blob: rule.update.as_ref().map(|u| u.blob.to_string()),
            program: rule.update.as_ref().map(program_json).transpose()?,
            changed: rule.changed,
        })
    }

    fn into_rule(self) -> Result<Rule> {
        let row = Row { table: "firmware_rules", key: &self.name };
        let update = match (&self.blob, &self.program) {
            (Some(blob), Some(json)) => Some(program(row, blob, json)?),
            _ => None,
        };
        Ok(Rule {
            name: row.parse("name", &self.name)?,
            component: row.parse("component", &self.component)?,
            vendor: row.parse("vendor", &self.vendor)?,
            model: row.parse("model", &self.model)?,
            wanted: self.wanted.clone(),
            allowed: row.json("allowed", &self.allowed)?,
            mode: row.parse("mode", &self.mode)?,
            on_failure: row.parse("on_failure", &self.on_failure)?,
            update,
            changed: self.changed,
        })
    }
}

impl Tx<'_> {
    /// All, in their order.
    pub fn firmware_rules(&mut self) -> Result<Vec<Rule>> {
        let recs: Vec<RuleRec> = self.run("firmware rules", |c| {
            let order = (firmware_rules::position, firmware_rules::name);
            firmware_rules::table.order(order).select(RuleRec::as_select()).load(c)
        })?;
        recs.into_iter().map(RuleRec::into_rule).collect()
    }

    /// Replace all of them by these, in this order.
    pub fn put_firmware_rules(&mut self, rules: &[Rule]) -> Result<()> {
        let recs: Vec<RuleRec> =
            rules.iter().zip(0..).map(|(rule, position)| RuleRec::new(rule, position)).collect::<Result<_>>()?;
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        self.run("firmware rules", |c| {
            diesel::delete(firmware_rules::table.filter(firmware_rules::name.ne_all(names))).execute(c)?;
            for rec in &recs {
                if diesel::update(firmware_rules::table.find(&rec.name)).set(rec).execute(c)? == 0 {
                    diesel::insert_into(firmware_rules::table).values(rec).execute(c)?;
                }
            }
            Ok(())
        })?;
        let next = self.firmware_version()? + 1;
        self.put_setting(VERSION, &next.to_string())
    }

    /// Number of the rules as they are now: it grows with each change.
    pub fn firmware_version(&mut self) -> Result<i64> {
        let text = self.setting(VERSION)?;
        text.map_or(Ok(0), |text| Row { table: "settings", key: &VERSION }.parse("value", &text))
    }

    /// Whether a rule of this name is there.
    pub fn has_firmware_rule(&mut self, name: &Name) -> Result<bool> {
        let found: i64 = self.run(format_args!("firmware rule {name}"), |c| {
            firmware_rules::table.filter(firmware_rules::name.eq(name.as_str())).count().get_result(c)
        })?;
        Ok(found > 0)
    }
}
