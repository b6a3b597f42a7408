//! Admission rules in their order.

use super::connection::AnyConnection;
use super::schema::{name_numbers, rules};
use super::tx::{Row, Tx};
use crate::domain::NodeUuid;
use crate::domain::rules::{Rule, Sets};
use crate::error::{Error, Result};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
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
        sets: Sets {
            profile: row.parse_opt("spec.profile", spec.profile.as_deref())?,
            cluster: row.parse_opt("spec.cluster", spec.cluster.as_deref())?,
            hostname: row.parse_opt("spec.hostname", spec.hostname.as_deref())?,
            tags: spec.tags.iter().map(|tag| row.parse("spec.tags", tag)).collect::<Result<_>>()?,
        },
    })
}

#[derive(QueryableByName)]
struct CounterRec {
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// The next number of a pattern. Two at once clash and are tried again, not refused.
fn count(c: &mut AnyConnection, pattern: &str) -> QueryResult<i64> {
    const SQL: &str = "INSERT INTO name_counters (pattern, last) VALUES ($1, 1) \
         ON CONFLICT (pattern) DO UPDATE SET last = name_counters.last + 1 RETURNING last";
    let query = diesel::sql_query(SQL).bind::<Text, _>(pattern);
    let rec: CounterRec = match c {
        AnyConnection::Sqlite(c) => query.get_result(c),
        AnyConnection::Postgres(c) => query.get_result(c),
    }?;
    Ok(rec.last)
}

impl Tx<'_> {
    /// All, in order.
    pub fn rules(&mut self) -> Result<Vec<Rule>> {
        let found: Vec<(String, String)> =
            self.run("rules", |c| rules::table.order(rules::position).select((rules::name, rules::spec)).load(c))?;
        found.iter().map(|(name, spec)| into_rule(name, spec)).collect()
    }

    /// The number that a node has under a pattern of host names; a new one, that was never given, when it has none.
    pub fn name_number(&mut self, pattern: &str, node: &NodeUuid) -> Result<u32> {
        let number = self.run(format_args!("number of node {node}"), |c| {
            let found: Option<i64> = name_numbers::table
                .filter(name_numbers::pattern.eq(pattern))
                .filter(name_numbers::node.eq(node.as_str()))
                .select(name_numbers::number)
                .first(c)
                .optional()?;
            if let Some(number) = found {
                return Ok(number);
            }
            let number = count(c, pattern)?;
            diesel::insert_into(name_numbers::table)
                .values((
                    name_numbers::pattern.eq(pattern),
                    name_numbers::number.eq(number),
                    name_numbers::node.eq(node.as_str()),
                ))
                .execute(c)?;
            Ok(number)
        })?;
        Row { table: "name_numbers", key: &pattern }.number("number", number)
    }

    /// Give the node another number under a pattern: its name is taken by another node.
    pub fn next_name_number(&mut self, pattern: &str, node: &NodeUuid) -> Result<u32> {
        self.run(format_args!("number of node {node}"), |c| {
            let number = count(c, pattern)?;
            let mine = name_numbers::table
                .filter(name_numbers::pattern.eq(pattern))
                .filter(name_numbers::node.eq(node.as_str()));
            diesel::update(mine).set(name_numbers::number.eq(number)).execute(c)
        })?;
        self.name_number(pattern, node)
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
                profile: rule.sets.profile.as_ref().map(ToString::to_string),
                cluster: rule.sets.cluster.as_ref().map(ToString::to_string),
                hostname: rule.sets.hostname.as_ref().map(ToString::to_string),
                tags: rule.sets.tags.iter().map(ToString::to_string).collect(),
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
