//! Processors (type 4): sockets with a processor in them. What they leave open is filled in from /proc/cpuinfo later.

use higuma_proto::agent::Cpu;
use smbioslib::{
    CoreCount, CoreCount2, ProcessorSpeed, ProcessorType, SMBiosData, SMBiosProcessorInformation, ThreadCount,
    ThreadCount2,
};

use super::text::text;

pub(super) fn read(data: &SMBiosData) -> Vec<Cpu> {
    data.defined_struct_iter::<SMBiosProcessorInformation>().filter(is_cpu).map(|p| cpu(&p)).collect()
}

/// An empty socket is no processor; a maths or video processor is not one of ours.
fn is_cpu(p: &SMBiosProcessorInformation<'_>) -> bool {
    let populated = p.status().is_none_or(|status| status.socket_populated());
    let kind = p.processor_type().map(|kind| kind.value);
    let other = matches!(
        kind,
        Some(ProcessorType::MathProcessor | ProcessorType::DspProcessor | ProcessorType::VideoProcessor)
    );
    populated && !other
}

fn cpu(p: &SMBiosProcessorInformation<'_>) -> Cpu {
    // The byte says 255 when the count is in the word (from version 3.0); 0: not known.
    let cores = match (p.core_count(), p.core_count_2()) {
        (Some(CoreCount::Count(n)), _) => u32::from(n),
        (_, Some(CoreCount2::Count(n))) => u32::from(n),
        _ => 0,
    };
    let threads = match (p.thread_count(), p.thread_count_2()) {
        (Some(ThreadCount::Count(n)), _) => u32::from(n),
        (_, Some(ThreadCount2::Count(n))) => u32::from(n),
        _ => 0,
    };
    Cpu {
        socket: text(&p.socket_designation()),
        manufacturer: text(&p.processor_manufacturer()),
        model: text(&p.processor_version()),
        cores,
        threads,
        max_mhz: match p.max_speed() {
            Some(ProcessorSpeed::MHz(mhz)) => u32::from(mhz),
            _ => 0,
        },
        ..Cpu::default()
    }
}
