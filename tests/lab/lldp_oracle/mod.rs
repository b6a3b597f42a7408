//! `lldp-parser` against a real lldpd: one lldpd sends with as many options as it has, another says what it understood
//! (`lldpcli -f json0`), and our reading of the same frame must say the same, leaf by leaf, in both directions: nothing
//! that lldpd tells may be missing here, nothing may be told that lldpd does not. No virtual machine.

mod leaves;

use higuma_tests::error::ensure;
use higuma_tests::namespace::Namespace;
use higuma_tests::programs::run;
use higuma_tests::sniffer::Sniffer;
use higuma_tests::wait::until;
use higuma_tests::{Context, Lab, LabResult};
use lldp_parser::{ETHERTYPE, Frame};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// A leaf of lldpd's JSON by its path, e.g. `/port/0/ttl/0/value`.
type Leaves = BTreeMap<String, Value>;

/// Each line is given to `lldpcli configure`; a word in bars may have spaces. VLANs are given as bytes: lldpd takes them
/// from the kernel else, and the machine of the test may have no VLAN driver; the receiver decodes them all the same.
const SWITCH: &str = r#"
system|hostname|tor-1.lab
system|description|Kuma OS 4.2	"quoted" <b>&amp; \ 漢字 é 'x'
system|ip|management|pattern|192.0.2.1,198.51.100.7,2001:db8::1
lldp|portidsubtype|ifname
ports|wire0|lldp|portdescription|uplink "A" <7>
med|policy|application|voice|tagged|vlan|500|priority|voice|dscp|46
med|policy|application|guest-voice|unknown
med|policy|application|streaming-video|tagged|vlan|4000|priority|network-control|dscp|63
med|location|coordinate|latitude|48.85667N|longitude|2.2014E|altitude|117.47|m|datum|WGS84
med|location|address|country|US|street|Commercial Road|city|Roseville
med|location|elin|911911
med|power|pse|source|primary|priority|high|value|15400
dot3|power|pse|supported|enabled|paircontrol|powerpairs|spare|class|class-3|type|2|source|primary|priority|high|requested|20000|allocated|21000
inventory|hardware-revision|HW-1
inventory|software-revision|SW-2
inventory|firmware-revision|FW-3
inventory|serial-number|SN-4
inventory|manufacturer|Kuma
inventory|model|M-6
inventory|asset|A-7
lldp|custom-tlv|oui|33,44,55|subtype|44|oui-info|01,02,ff
lldp|custom-tlv|add|oui|00,80,c2|subtype|1|oui-info|00,0a
lldp|custom-tlv|add|oui|00,80,c2|subtype|2|oui-info|06,00,64
lldp|custom-tlv|add|oui|00,80,c2|subtype|2|oui-info|02,00,00
lldp|custom-tlv|add|oui|00,80,c2|subtype|3|oui-info|00,0a,06,6f,66,66,69,63,65
lldp|custom-tlv|add|oui|00,80,c2|subtype|3|oui-info|03,e7,06,62,61,63,6b,75,70
lldp|custom-tlv|add|oui|00,80,c2|subtype|4|oui-info|02,88,cc
lldp|custom-tlv|add|oui|00,80,c2|subtype|5|oui-info|01,02,03,04
lldp|custom-tlv|add|oui|00,80,c2|subtype|6|oui-info|00,0a
lldp|custom-tlv|add|oui|00,80,c2|subtype|7|oui-info|03,00,00,00,09
lldp|custom-tlv|add|oui|00,12,0f|subtype|3|oui-info|03,00,00,00,07
lldp|custom-tlv|add|oui|00,12,0f|subtype|4|oui-info|24,00
"#;

/// The other end of most options: a powered device, ids of other kinds, no description of anything.
const PHONE: &str = r#"
system|hostname|phone-7
system|description|x
system|chassisid|chassis 0815
system|ip|management|pattern|2001:db8::7
system|capabilities|enabled|station
lldp|portidsubtype|macaddress
med|policy|application|voice|vlan|0|dscp|0
med|location|elin|112
med|power|pd|source|local|priority|low|value|6500
dot3|power|pd|powerpairs|signal|class|class-1|type|1|source|pse|priority|low|requested|3900|allocated|6500
inventory|hardware-revision|1
inventory|software-revision|2
inventory|firmware-revision|3
inventory|serial-number|4
inventory|manufacturer|5
inventory|model|6
inventory|asset|7
lldp|custom-tlv|oui|00,80,c2|subtype|1|oui-info|00,14
lldp|custom-tlv|add|oui|00,00,00|subtype|0
"#;

#[test]
fn lldp_oracle() -> LabResult {
    let lab = Lab::new("lldp_oracle")?;
    compare(lab.dir(), "switch", "4", SWITCH)?;
    compare(lab.dir(), "phone", "3", PHONE)?;
    lab.finish()
}

/// Lets an lldpd of this LLDP-MED class send, and compares what the other one and we understood.
fn compare(dir: &Path, name: &str, class: &str, options: &str) -> LabResult {
    let sender = Namespace::create("sender")?;
    let hearer = Namespace::create("hearer")?;
    sender.cable("wire0", &hearer, "eth0")?;
    let sniffer = Sniffer::open(&hearer)?;
    let talk = dir.join(format!("{name}-sender.socket"));
    let listen = dir.join(format!("{name}-hearer.socket"));
    lldpd(dir, &sender, &talk, &["-M", class, "-I", "wire0"])?;
    lldpd(dir, &hearer, &listen, &["-r", "-I", "eth0"])?;
    for line in options.lines().filter(|line| !line.is_empty()) {
        let words = std::iter::once("configure").chain(line.split('|'));
        run(sender.command("lldpcli").arg("-u").arg(&talk).args(words)).context(line)?;
    }
    for command in [&["configure", "lldp", "tx-interval", "1"][..], &["update"]] {
        run(sender.command("lldpcli").arg("-u").arg(&talk).args(command))?;
    }
    let mut last = String::new();
    let agreed = until("lldpd and lldp-parser to agree", Duration::from_secs(20), || {
        let bytes = sniffer.next(ETHERTYPE, Duration::from_secs(3))?.context("no LLDP frame on the wire")?;
        let frame = Frame::parse(&bytes).context("parsing a frame of lldpd")?;
        ensure(frame.emit().context("emitting it")? == bytes, "the frame is not written back byte for byte")?;
        let output = run(hearer.command("lldpcli").arg("-u").arg(&listen).args(SHOW))?;
        let told: Value = serde_json::from_slice(&output.stdout).context("reading lldpd's JSON")?;
        let (ours, theirs) = (leaves::ours(&frame.lldpdu), leaves::theirs(&told));
        last = differences(&ours, &theirs);
        Ok(last.is_empty().then_some((bytes, ours.len())))
    });
    let (bytes, count) = agreed.context(format!("{name}: {last}"))?;
    println!("lldp_oracle: {name}: a frame of {} bytes, {count} values agree", bytes.len());
    ensure(count > 25, format!("{name}: only {count} values were compared"))?;
    keep(name, &bytes)
}

const SHOW: [&str; 5] = ["-f", "json0", "show", "neighbors", "details"];

fn lldpd(dir: &Path, namespace: &Namespace, socket: &Path, arguments: &[&str]) -> LabResult {
    let log = File::create(socket.with_extension("log")).context(dir.display())?;
    let mut command = namespace.command("lldpd");
    command.arg("-d").args(arguments).arg("-u").arg(socket).stdout(log.try_clone()?).stderr(log);
    namespace.spawn(&mut command)?;
    until("lldpd's socket", Duration::from_secs(10), || Ok(socket.exists().then_some(())))
}

fn differences(ours: &Leaves, theirs: &Leaves) -> String {
    let mut lines = Vec::new();
    for (path, value) in ours {
        match theirs.get(path) {
            Some(told) if told == value => {}
            Some(told) => lines.push(format!("{path}: {value}, lldpd says {told}")),
            None => lines.push(format!("{path}: {value}, lldpd does not say it")),
        }
    }
    for (path, told) in theirs.iter().filter(|(path, _)| !ours.contains_key(*path)) {
        lines.push(format!("{path}: not told, lldpd says {told}"));
    }
    lines.join("\n")
}

/// HIGUMA_BLESS=1 keeps the frame as a seed of the fuzzer (and for the benchmark).
fn keep(name: &str, bytes: &[u8]) -> LabResult {
    if std::env::var_os("HIGUMA_BLESS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/lldp_frame");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("lldpd-{name}")), bytes)?;
    }
    Ok(())
}
