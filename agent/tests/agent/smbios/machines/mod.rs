//! Tables modelled on real machines: how each vendor fills them, with its habits and its mistakes. Serial numbers and
//! addresses are made up.

mod big;
mod boards;
mod bought;
mod dense;
mod small;

use super::builder::{Structure, Table};

/// Every machine by name.
pub fn all() -> Vec<(&'static str, Table)> {
    vec![
        ("dell-poweredge-r750", bought::dell()),
        ("hpe-proliant-dl380-gen10", bought::hpe()),
        ("lenovo-thinksystem-sr650", bought::lenovo()),
        ("supermicro-x11", boards::supermicro()),
        ("asrock-placeholder-uuid", boards::asrock()),
        ("intel-server-board", boards::intel()),
        ("old-board-2.4", small::old()),
        ("qemu", small::qemu()),
        ("atom-appliance", small::atom()),
        ("amd-epyc-big-memory", big::amd()),
        ("ampere-altra-arm64", big::ampere()),
        ("blade", dense::blade()),
    ]
}

/// Structures of kinds that the inventory does not read, as every table has them between the others.
pub fn others(table: &mut Table) {
    table.add(Structure::new(7).text("L1-Cache").word(0x0180).word(0x0600).word(0x0600).bytes(&[0; 8]));
    table.add(Structure::new(8).text("J1").byte(0).text("USB 1").bytes(&[0x12, 0x10]));
    table.add(Structure::new(13).byte(1).byte(0).bytes(&[0; 15]).text("en|US|iso8859-1"));
    table.add(Structure::new(32).bytes(&[0; 7]));
    // An entry length of 0 in type 40: never to be interpreted.
    table.add(Structure::new(40).byte(3).bytes(&[0; 6]));
    table.add(Structure::new(0xdd).bytes(&[0xde, 0xad, 0xbe, 0xef]).text("vendor's own"));
}
