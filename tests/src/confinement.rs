//! A limit on the memory of a process, held by the kernel where it lets us say one.

use std::path::{Path, PathBuf};

use crate::Launch;

/// A group of processes that gets no more than so much memory; whoever wants more is killed by the kernel.
///
/// Both versions of control groups will do. It vanishes with this, once its processes are gone.
pub struct Confinement {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Confinement {
    /// Makes one. Nothing where this machine has no control groups, or does not let us write them.
    #[must_use]
    pub fn of_memory(bytes: u64) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = std::fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
        let (parent, version) = if controllers.split_whitespace().any(|name| name == "memory") {
            (root.to_path_buf(), Version::Two)
        } else {
            (root.join("memory"), Version::One)
        };
        // Only a folder of control groups has this file; in any other one it could be made by mistake.
        if !parent.join("cgroup.procs").exists() {
            return None;
        }
        let name = tempfile::Builder::new()
            .prefix("mppeep-test-")
            .tempdir_in(&parent)
            .ok()?
            .keep();
        let group = Self {
            folder: name,
            version,
        };
        let limited = match group.version {
            Version::One => group.say("memory.limit_in_bytes", &bytes.to_string()),
            // Swap would let it live on what it does not have.
            Version::Two => {
                group.say("memory.max", &bytes.to_string()) && {
                    let _none = group.say("memory.swap.max", "0");
                    true
                }
            }
        };
        limited.then_some(group)
    }

    /// The same server inside.
    #[must_use]
    pub fn around(&self, launch: &Launch) -> Launch {
        let tasks = self.folder.join("cgroup.procs").display().to_string();
        launch
            .clone()
            .wrapped_by(&["sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", &tasks])
    }

    /// How many processes are inside.
    #[must_use]
    pub fn population(&self) -> usize {
        self.told("cgroup.procs").lines().count()
    }

    /// How many of its processes the kernel has killed for want of memory.
    #[must_use]
    pub fn kills(&self) -> u64 {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        self.told(file)
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
            .unwrap_or(0)
    }

    /// How often something had to be given back for the limit: pages of files, as a rule.
    #[must_use]
    pub fn squeezes(&self) -> u64 {
        match self.version {
            Version::One => self.told("memory.failcnt").trim().parse().unwrap_or(0),
            Version::Two => self
                .told("memory.events")
                .lines()
                .find_map(|line| line.strip_prefix("max ")?.trim().parse().ok())
                .unwrap_or(0),
        }
    }

    fn told(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    fn say(&self, file: &str, what: &str) -> bool {
        std::fs::write(self.folder.join(file), what).is_ok()
    }
}

impl Drop for Confinement {
    fn drop(&mut self) {
        // It can go as soon as the kernel has buried its last process.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
