//! Log lines and metrics of the process. Nothing secret goes in: no query string, no header, no body.

use crate::config::LogFormat;
use crate::error::{Error, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Write log lines to stderr from now on; what is logged: `RUST_LOG`, else `info`. A second call changes nothing.
pub fn start_logs(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The error: somebody (a test) has set a subscriber already; theirs stays.
    let _ = match format {
        LogFormat::Text => logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
}

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
/// Seconds.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0];

/// The process's metrics; the recorder is installed at the first call.
///
/// # Errors
/// When another recorder is installed.
pub fn metrics() -> Result<PrometheusHandle> {
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
        .map_err(Error::internal)?;
    // Two servers of one test process may come here at once: the first installs.
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONCE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if HANDLE.get().is_none() {
        let handle = builder.install_recorder().map_err(Error::internal)?;
        describe();
        let _ = HANDLE.set(handle);
    }
    HANDLE.get().cloned().ok_or_else(|| Error::internal("the metrics recorder is not there"))
}

fn describe() {
    metrics::describe_counter!("higuma_http_requests_total", "HTTP requests by listener, route pattern and status");
    metrics::describe_histogram!("higuma_http_request_seconds", "Seconds until the answer began");
    metrics::describe_counter!("higuma_grpc_requests_total", "gRPC calls by method and status code");
    metrics::describe_counter!("higuma_offers_total", "Boot nonces minted");
    metrics::describe_counter!("higuma_registers_total", "Register by result");
    metrics::describe_counter!("higuma_boots_total", "Boots by outcome");
    metrics::describe_counter!("higuma_firmware_updates_total", "Firmware updates handed out");
    metrics::describe_counter!("higuma_job_items_total", "Nodes of jobs by action and result");
    metrics::describe_counter!("higuma_rollouts_total", "Rollouts by the state that they came into");
    metrics::describe_counter!("higuma_rollout_nodes_total", "Nodes of rollouts by result");
    metrics::describe_gauge!("higuma_rollouts_open", "Rollouts in which something is left to do");
    metrics::describe_gauge!("higuma_rollout_nodes_down", "Nodes down because of rollouts");
    metrics::describe_counter!("higuma_tftp_transfers_total", "TFTP requests by file and result");
    metrics::describe_counter!("higuma_tftp_bytes_total", "Bytes that TFTP clients acknowledged");
    metrics::describe_counter!("higuma_tftp_resent_total", "TFTP packets that were sent more than once");
    metrics::describe_counter!(
        "higuma_blob_cache_requests_total",
        "Readers of the blob cache: hit, joined (a fetch that ran already), miss"
    );
    metrics::describe_counter!("higuma_blob_cache_upstream_bytes_total", "Bytes of blobs that came from upstreams");
    metrics::describe_gauge!("higuma_blob_cache_bytes", "Bytes of whole blobs in the blob cache");
    metrics::describe_counter!("higuma_blob_cache_evictions_total", "Blobs that were evicted from the blob cache");
    metrics::describe_counter!(
        "higuma_blob_cache_tries_failed_total",
        "Tries with one upstream that failed, by reason"
    );
    metrics::describe_counter!("higuma_blob_cache_failures_total", "Blobs that could not be had, by reason");
    metrics::describe_gauge!(
        "higuma_blobs_damaged",
        "Blobs that nobody can get: bad (moved aside), missing, or wrong_size (in the S3 store)"
    );
    metrics::describe_counter!("higuma_blob_scrub_bytes_total", "Bytes of blobs that a scrub read");
    metrics::describe_gauge!("higuma_firmware_nodes", "Nodes by how they stand with the firmware rules");
    metrics::describe_gauge!("higuma_nodes", "Nodes by lifecycle");
    metrics::describe_gauge!("process_resident_memory_bytes", "Resident memory of the server");
}

/// Resident memory of this process, bytes (proc_pid_statm(5), second field, in pages).
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}
