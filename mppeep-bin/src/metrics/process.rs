//! The process itself, under the names that every program uses.

use std::fmt::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use rustix::process::Resource;

use super::encode::{float, gauges};

/// Figures that the system keeps of this process.
#[derive(Debug)]
pub(super) struct Process {
    started_at: f64,
}

impl Process {
    /// This process, which has just started.
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started_at: now.map_or(0.0, |now| now.as_secs_f64()),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let encoder = &mut encoder;
        let one = |value: Option<u64>| value.map(|value| (Vec::new(), float(value)));
        gauges(
            encoder,
            "process_resident_memory_bytes",
            "Memory of this process that is in RAM.",
            one(resident_bytes()),
        )?;
        gauges(
            encoder,
            "process_open_fds",
            "Descriptors that are open.",
            one(open_descriptors()),
        )?;
        gauges(
            encoder,
            "process_max_fds",
            "Descriptors that may be open.",
            one(rustix::process::getrlimit(Resource::Nofile).current),
        )?;
        gauges(
            encoder,
            "process_start_time_seconds",
            "When this process started, in seconds since 1970.",
            Some((Vec::new(), self.started_at)),
        )?;
        if let Some(seconds) = cpu_seconds() {
            let help = "Time of processors that this process has used.";
            encoder
                .encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, f64, f64>(&seconds, None)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes.saturating_mul(1024))
}

/// Counted through a descriptor that is open only for that.
fn open_descriptors() -> Option<u64> {
    let counted = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(counted.saturating_sub(1)).ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program is in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(float(user + system) / float(rustix::param::clock_ticks_per_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(open_descriptors().unwrap() >= 3);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
