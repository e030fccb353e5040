//! Reads the mount table and decides which mounts are safe to look at; it must never call one
//! safe when reaching it passes through a network or automatic mount.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::read::{self, Extent};

/// File systems with storage of their own on this machine.
const LOCAL_TYPES: [&str; 26] = [
    "apfs", "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfs",
    "hfsplus", "iso9660", "jffs2", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3", "reiserfs",
    "squashfs", "ubifs", "udf", "ufs", "vfat", "xfs", "zfs",
];

/// File systems the kernel answers for without asking anybody.
const KERNEL_TYPES: [&str; 26] = [
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfsd",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "rootfs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// One mount of a local file system.
pub(super) struct Mount {
    /// The device number, which mounts of the same file system share.
    pub(super) device_number: String,
    pub(super) mount_point: PathBuf,
    pub(super) source: Vec<u8>,
    pub(super) file_system: String,
    pub(super) read_only: bool,
    /// Whether every file system on the way answers without waiting for anything outside.
    pub(super) safe: bool,
}

/// The local file systems in a mount table, one mount for each device: the safe ones before the
/// others, then the shortest mount point.
pub(super) fn local_mounts(proc_root: &Path) -> Vec<Mount> {
    let mut buffer = Vec::new();
    let path = proc_root.join("self/mountinfo");
    let Some(extent) = read::bytes_into(&path, read::MAX_FILE_BYTES, &mut buffer) else {
        return Vec::new();
    };
    let mut table: Vec<Mount> = buffer.split(|byte| *byte == b'\n').filter_map(parse).collect();
    // Looking up a path passes through each mount above it, and of several mounts at one point
    // the last hides the others; so one mount that may block spoils all at and below its point.
    let blocking: BTreeSet<PathBuf> = table
        .iter()
        .filter(|mount| !is_local(mount) && !KERNEL_TYPES.contains(&mount.file_system.as_str()))
        .map(|mount| mount.mount_point.clone())
        .collect();
    table.retain(is_local);
    for mount in &mut table {
        // What a table too long to read leaves out may block as well.
        mount.safe = extent == Extent::Whole
            && !mount.mount_point.ancestors().any(|point| blocking.contains(point));
    }
    table.sort_by(|left, right| {
        let rank = |mount: &Mount| (!mount.safe, mount.mount_point.as_os_str().len());
        left.device_number.cmp(&right.device_number).then(rank(left).cmp(&rank(right)))
    });
    table.dedup_by(|later, first| later.device_number == first.device_number);
    table.sort_by(|left, right| left.mount_point.cmp(&right.mount_point));
    table
}

/// An overlay counts only as the root of a container or of a router's flash: elsewhere it is a
/// view of file systems that are listed themselves.
fn is_local(mount: &Mount) -> bool {
    let kind = mount.file_system.as_str();
    LOCAL_TYPES.contains(&kind) || (kind == "overlay" && mount.mount_point == Path::new("/"))
}

/// One line of mountinfo (proc_pid_mountinfo(5)): ID, parent, device, root, mount point,
/// options, optional fields up to a lone `-`, type, source, options of the file system.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device_number = String::from_utf8(fields.nth(2)?.to_vec()).ok()?;
    let mount_point = unescape(fields.nth(1)?);
    let options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let file_system = String::from_utf8_lossy(fields.next()?).into_owned();
    let source = unescape(fields.next()?);
    let super_options = fields.next().unwrap_or_default();
    let is_read_only = |options: &[u8]| options.split(|byte| *byte == b',').any(|o| o == b"ro");
    Some(Mount {
        device_number,
        mount_point: PathBuf::from(OsString::from_vec(mount_point)),
        source,
        file_system,
        read_only: is_read_only(options) || is_read_only(super_options),
        safe: false,
    })
}

/// Undoes the kernel's octal escapes for space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal =
            tail.split_at_checked(3).filter(|_| byte == b'\\').and_then(|(digits, tail)| {
                let digits = str::from_utf8(digits).ok()?;
                Some((u8::from_str_radix(digits, 8).ok()?, tail))
            });
        let (byte, tail) = octal.unwrap_or((byte, tail));
        out.push(byte);
        rest = tail;
    }
    out
}
