//! `higuma-agent boot --dry-run`: the harmless steps of a boot on a normal machine, and what the others would do. Changes
//! nothing: no module is loaded, no link touched, no server asked.

use std::path::Path;
use std::process::ExitCode;

use higuma_initramfs::modules::ModuleIndex;
use higuma_proto::steps as names;

use crate::bmc::device;
use crate::bootargs::BootArgs;
use crate::console::say;
use crate::decide::{Sizes, decide};
use crate::site::Site;
use crate::{collect, explain, kmod, memory, net};

/// Prints what a boot would do here.
pub fn dry_run() -> ExitCode {
    let root = Path::new("/");
    let args = BootArgs::of_this_machine();
    say(names::MOUNTS, "would mount /proc, /sys, /dev and /run");
    modules(root);

    let interfaces = net::ordered(net::list(root), args.boot_mac.as_deref());
    let names: Vec<String> = interfaces.iter().map(|i| format!("{} ({})", i.name, i.mac)).collect();
    say(names::NETWORK, &format!("would ask on, in this order: {}", or_none(&names.join(", "))));

    let site = Site::read(root);
    let bound = site.not_before.max(crate::build_time());
    say(names::CLOCK, &format!("a clock before {bound} (seconds since 1970) would be stepped forward"));

    let inventory = collect::collect(root);
    for line in collect::table(&inventory).lines() {
        say(names::INVENTORY, line);
    }
    say(names::LLDP, "would listen on every port with link (see `higuma-agent neighbours`)");

    let server = args.grpc.as_deref().unwrap_or("(higuma.grpc is not on the kernel command line)");
    say(
        names::REGISTER,
        &format!("would register with {server}, nonce {}", if args.nonce.is_some() { "given" } else { "not given" }),
    );
    for problem in &site.problems {
        say(names::REGISTER, &format!("not there: {problem}"));
    }
    let bmc = match device::find(root) {
        Ok(path) => format!("would read the BMC by {} and ask the server what it should be", path.display()),
        Err(why) => why,
    };
    say(names::BMC, &bmc);
    memory_of_examples();
    ExitCode::SUCCESS
}

fn modules(root: &Path) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    match ModuleIndex::load(root, release.trim()) {
        Ok(index) => {
            let wanted = kmod::wanted(&index, &kmod::modaliases(Path::new("/sys")));
            let list: Vec<&str> = wanted.iter().map(String::as_str).collect();
            say(names::MODULES, &format!("would load, with what they need: {}", or_none(&list.join(" "))));
        }
        Err(e) => say(names::MODULES, &format!("no modules for kernel {}: {}", release.trim(), explain::chain(&e))),
    }
}

fn memory_of_examples() {
    let Ok(memory) = memory::now() else { return };
    for mebibytes in [100u64, 500, 1_500] {
        let sizes = Sizes {
            kernel: 10 << 20,
            others: 20 << 20,
            rootfs: mebibytes << 20,
            embed_limit: u64::MAX,
            total: memory.total,
            available: memory.available,
        };
        let (Ok((_, why)) | Err(why)) = decide(&sizes);
        say(names::MEMORY, &why);
    }
}

fn or_none(list: &str) -> &str {
    if list.is_empty() { "(none)" } else { list }
}
