//! LLDP neighbours of nodes, as last reported.

use super::schema::neighbours;
use super::tx::{Row, Tx};
use crate::domain::{Micros, NodeUuid};
use crate::error::{Error, Result};
use diesel::prelude::*;
use higuma_proto::agent::Neighbour;

#[derive(Insertable)]
#[diesel(table_name = neighbours)]
struct NeighbourRec {
    node: String,
    position: i64,
    interface: String,
    chassis_id: String,
    port_id: String,
    system_name: String,
    json: String,
    at: i64,
}

impl Tx<'_> {
    /// Replace the neighbours (each stored as columns interface, chassis_id, port_id, system_name and the whole as JSON).
    pub fn put_neighbours(&mut self, node: &NodeUuid, neighbours: &[Neighbour], at: Micros) -> Result<()> {
        let mut recs = Vec::with_capacity(neighbours.len());
        for (position, neighbour) in (0..).zip(neighbours) {
            recs.push(NeighbourRec {
                node: node.to_string(),
                position,
                interface: neighbour.interface.clone(),
                chassis_id: neighbour.chassis_id.clone(),
                port_id: neighbour.port_id.clone(),
                system_name: neighbour.system_name.clone(),
                json: serde_json::to_string(neighbour).map_err(Error::internal)?,
                at,
            });
        }
        self.run(format_args!("neighbours of node {node}"), |c| {
            diesel::delete(neighbours::table.filter(neighbours::node.eq(node.as_str()))).execute(c)?;
            for rec in &recs {
                diesel::insert_into(neighbours::table).values(rec).execute(c)?;
            }
            Ok(())
        })
    }

    /// Its neighbours, by interface, then in the order in which they were reported.
    pub fn neighbours(&mut self, node: &NodeUuid) -> Result<Vec<Neighbour>> {
        let found: Vec<String> = self.run(format_args!("neighbours of node {node}"), |c| {
            neighbours::table
                .filter(neighbours::node.eq(node.as_str()))
                .order((neighbours::interface, neighbours::position))
                .select(neighbours::json)
                .load(c)
        })?;
        let row = Row { table: "neighbours", key: node };
        found.iter().map(|json| row.json("json", json)).collect()
    }
}
