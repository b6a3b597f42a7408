//! Admission rules in their order.

use super::schema::rules;
use super::tx::{Row, Tx};
use crate::domain::rules::Rule;
use crate::error::{Error, Result};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

/// What of a rule is stored as JSON. Fields may be added with a default, never renamed.
#[derive(Serialize, Deserialize)]
struct SpecJson {
    when: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admission: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    park: Option<String>,
    /// Microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    park_after: Option<i64>,
}

fn into_rule(name: &str, spec: &str) -> Result<Rule> {
    let row = Row { table: "rules", key: &name };
    let spec: SpecJson = row.json("spec", spec)?;
    Ok(Rule {
        name: row.parse("name", name)?,
        when: spec.when,
        admission: row.parse_opt("spec.admission", spec.admission.as_deref())?,
        park: row.parse_opt("spec.park", spec.park.as_deref())?,
        park_after: spec.park_after,
    })
}

impl Tx<'_> {
    /// All, in order.
    pub fn rules(&mut self) -> Result<Vec<Rule>> {
        let found: Vec<(String, String)> =
            self.run("rules", |c| rules::table.order(rules::position).select((rules::name, rules::spec)).load(c))?;
        found.iter().map(|(name, spec)| into_rule(name, spec)).collect()
    }

    /// This list and no other.
    pub fn replace_rules(&mut self, list: &[Rule]) -> Result<()> {
        let mut recs = Vec::with_capacity(list.len());
        for (position, rule) in (1i64..).zip(list) {
            let spec = SpecJson {
                when: rule.when.clone(),
                admission: rule.admission.map(|word| word.to_string()),
                park: rule.park.map(|word| word.to_string()),
                park_after: rule.park_after,
            };
            recs.push((rule.name.as_str(), position, serde_json::to_string(&spec).map_err(Error::internal)?));
        }
        self.run("rules", |c| {
            diesel::delete(rules::table).execute(c)?;
            for (name, position, spec) in &recs {
                diesel::insert_into(rules::table)
                    .values((rules::name.eq(name), rules::position.eq(position), rules::spec.eq(spec)))
                    .execute(c)?;
            }
            Ok(())
        })
    }
}
