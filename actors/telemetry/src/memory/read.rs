//! What the kernel says of the process's memory, and what its control group (version 2) allows.

use std::{fs, path::Path};

/// Bytes of the process that are resident; none where the kernel does not say.
pub(super) fn resident(root: &Path) -> Option<u64> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

/// The least of the limits, hard and soft, of the process's control group and of those above it, in bytes; none where there
/// is none.
pub(super) fn limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let base = root.join("sys/fs/cgroup");
    let folders = Path::new(own.trim_start_matches('/')).ancestors().map(|path| base.join(path));
    let limits = folders.flat_map(|folder| ["memory.high", "memory.max"].map(|file| folder.join(file)));
    limits.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn write(root: &TempDir, file: &str, text: &str) {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn the_least_limit_of_the_group_and_of_those_above_it_counts() {
        let root = TempDir::new().unwrap();
        assert_eq!(limit(root.path()), None, "no such system");
        write(&root, "proc/self/cgroup", "0::/system.slice/impresario.service\n");
        assert_eq!(limit(root.path()), None, "no limit");
        write(&root, "sys/fs/cgroup/system.slice/impresario.service/memory.max", "max\n");
        assert_eq!(limit(root.path()), None, "as it is written where there is none");
        write(&root, "sys/fs/cgroup/system.slice/memory.max", "2000000\n");
        assert_eq!(limit(root.path()), Some(2_000_000));
        write(&root, "sys/fs/cgroup/system.slice/impresario.service/memory.max", "1000000\n");
        write(&root, "sys/fs/cgroup/system.slice/impresario.service/memory.high", "900000\n");
        assert_eq!(limit(root.path()), Some(900_000));
    }

    #[test]
    fn in_a_container_the_group_is_the_root() {
        let root = TempDir::new().unwrap();
        write(&root, "proc/self/cgroup", "13:memory:/older\n0::/\n");
        write(&root, "sys/fs/cgroup/memory.max", "536870912\n");
        assert_eq!(limit(root.path()), Some(512 << 20));
    }

    #[test]
    fn what_is_resident_is_read_here_and_nonsense_is_nothing() {
        assert!(resident(Path::new("/")).is_some_and(|bytes| bytes > 1 << 20));
        let root = TempDir::new().unwrap();
        for nonsense in ["", "VmRSS:\tmany kB\n", "VmRSS: 5\n", "VmRSS: 99999999999999999999 kB\n"] {
            write(&root, "proc/self/status", nonsense);
            assert_eq!(resident(root.path()), None, "{nonsense:?}");
        }
    }
}
