//! Two nodes become one. Every table that hangs on a node has its line in [`Tx::move_children`]: a new child table belongs
//! there, or its rows go with the node that is deleted.

use super::schema::{
    addresses, bmcs, boot_exchanges, boots, enrolments, expected_cabling, firmware_attempts, installs,
    inventory_reports, inventory_versions, links, name_numbers, neighbours, node_aliases, node_dhcp, node_events,
    node_facts, node_firmware, node_identities, node_macs, node_nics, node_tries, nodes, offers, own_boots,
};
use super::tx::Tx;
use crate::domain::{Micros, NodeUuid};
use crate::error::Result;
use diesel::prelude::*;

impl Tx<'_> {
    /// Give all that hangs on `from` to `to`. Of what a node has once (MAC addresses, inventory, neighbours), that of `from`
    /// counts when it has any: it was seen last.
    pub fn move_children(&mut self, from: &NodeUuid, to: &NodeUuid, now: Micros) -> Result<()> {
        let (old, new) = (from.as_str(), to.as_str());
        // An event of a subject that is open at both is told by the one that stays.
        for subject in self.open_subjects(to, "")? {
            self.clear_subject(from, &subject, now)?;
        }
        self.move_waiting_items(from, to)?;
        self.run(format_args!("what belongs to node {from}"), |c| {
            macro_rules! move_all {
                ($table:ident) => {
                    diesel::update($table::table.filter($table::node.eq(old))).set($table::node.eq(new)).execute(c)?;
                };
            }
            macro_rules! replace {
                ($table:ident) => {
                    let mine = $table::table.filter($table::node.eq(old)).count().get_result::<i64>(c)?;
                    if mine > 0 {
                        diesel::delete($table::table.filter($table::node.eq(new))).execute(c)?;
                        move_all!($table);
                    }
                };
            }
            // At most one is open, that of the boot that was last. It counts all the same, so it is ended, not deleted.
            let open = |of| {
                firmware_attempts::table
                    .filter(firmware_attempts::node.eq(of))
                    .filter(firmware_attempts::ended.is_null())
            };
            let booted = boots::table.filter(boots::node.eq(old)).count().get_result::<i64>(c)? > 0;
            if booted || open(old).count().get_result::<i64>(c)? > 0 {
                let lost = (firmware_attempts::ended.eq(now), firmware_attempts::outcome.eq("lost"));
                diesel::update(open(new)).set(lost).execute(c)?;
            }
            // Where the one that was seen last is cabled holds; where the other one was is history.
            let present = |of| links::table.filter(links::node.eq(of)).filter(links::ended.is_null());
            if present(old).count().get_result::<i64>(c)? > 0 {
                diesel::update(present(new)).set(links::ended.eq(now)).execute(c)?;
            }
            // Its names by rules: those of the one that stays hold.
            diesel::delete(name_numbers::table.filter(name_numbers::node.eq(old))).execute(c)?;
            move_all!(links);
            move_all!(firmware_attempts);
            move_all!(boots);
            move_all!(boot_exchanges);
            move_all!(offers);
            move_all!(node_events);
            move_all!(node_aliases);
            // Those that it has were given by the service already: these were released.
            move_all!(addresses);
            // The BMC that spoke last is the one that is there.
            replace!(bmcs);
            move_all!(enrolments);
            // What people chose for the one that stays holds.
            let chosen = node_dhcp::table.filter(node_dhcp::node.eq(new)).count().get_result::<i64>(c)? > 0;
            if !chosen {
                move_all!(node_dhcp);
            }
            // A node with a new board keeps its disk: an installation of either counts, and none is lost, or an installer
            // would write over it.
            let installed =
                |of| installs::table.filter(installs::node.eq(of)).filter(installs::installed.is_not_null());
            let lost = installed(new).count().get_result::<i64>(c)? > 0;
            if !lost || installed(old).count().get_result::<i64>(c)? > 0 {
                replace!(installs);
            }
            replace!(own_boots);
            // What the one that is seen now was up with, if it was.
            let up = node_tries::table.filter(node_tries::node.eq(old)).filter(node_tries::up_profile.is_not_null());
            if up.count().get_result::<i64>(c)? > 0 {
                replace!(node_tries);
            }
            replace!(node_firmware);
            replace!(node_facts);
            replace!(node_macs);
            replace!(node_nics);
            replace!(inventory_reports);
            // Its history goes on after the other's.
            let versions = inventory_versions::table.filter(inventory_versions::node.eq(new));
            let last: Option<i64> = versions.select(diesel::dsl::max(inventory_versions::version)).get_result(c)?;
            let renumbered = inventory_versions::version.eq(inventory_versions::version + last.unwrap_or(0));
            diesel::update(inventory_versions::table.filter(inventory_versions::node.eq(old)))
                .set((inventory_versions::node.eq(new), renumbered))
                .execute(c)?;
            replace!(neighbours);
            // What the plan of the cables calls the one that goes.
            diesel::update(expected_cabling::table.filter(expected_cabling::node.eq(old)))
                .set(expected_cabling::node.eq(new))
                .execute(c)?;
            // Who is offered to be merged into the one that goes.
            diesel::update(node_identities::table.filter(node_identities::merge_candidate.eq(old)))
                .set(node_identities::merge_candidate.eq(new))
                .execute(c)?;
            Ok(())
        })
    }

    /// Delete a node with all that still hangs on it.
    pub fn delete_node(&mut self, node: &NodeUuid) -> Result<()> {
        self.run(format_args!("node {node}"), |c| diesel::delete(nodes::table.find(node.as_str())).execute(c))?;
        Ok(())
    }
}
