//! Tests of watching, against a real file system; each waits for the kernel's own event.

use std::fs;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};

use super::super::root::tests::{Scratch, scratch, settings};
use super::super::root::{FileRoot, FileRootSettings};
use super::*;

struct Setup {
    top: Scratch,
    watcher: Watcher,
    seen: Vec<Change>,
}

impl Setup {
    fn with(name: &str, max_directories: usize, change: impl Fn(&mut FileRootSettings)) -> Self {
        let top = scratch(name);
        let mut settings = settings(&top);
        change(&mut settings);
        let mut watcher = Watcher::new(max_directories).unwrap();
        assert_eq!(watcher.add_root(&FileRoot::open(&settings).unwrap()).unwrap(), 0);
        Self { top, watcher, seen: Vec::new() }
    }

    fn new(name: &str) -> Self {
        Self::with(name, 100, |_| {})
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.top.join(path)
    }

    /// Waits until a change was seen; forgets what was seen up to it.
    fn expect(&mut self, change: &Change) {
        loop {
            if let Some(at) = self.seen.iter().position(|seen| seen == change) {
                self.seen.drain(..=at);
                return;
            }
            let mut descriptors = [PollFd::new(&self.watcher, PollFlags::IN)];
            poll(&mut descriptors, None).unwrap();
            self.watcher.drain(&mut self.seen).unwrap();
        }
    }

    /// Everything the kernel has told so far; it queues events before the call that causes them
    /// returns.
    fn all(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.watcher.drain(&mut changes).unwrap();
        changes
    }
}

fn list(path: &str) -> Change {
    Change::List { root: 0, path: path.to_owned() }
}

fn content(path: &str) -> Change {
    Change::Content { root: 0, path: path.to_owned() }
}

fn write(path: &Path) {
    fs::write(path, "x").unwrap();
}

#[test]
fn files_made_written_moved_and_removed_are_noticed() {
    let mut setup = Setup::new("events");
    write(&setup.path("a"));
    setup.expect(&list("a"));
    setup.expect(&content("a"));
    write(&setup.path("a"));
    assert_eq!(setup.all(), [content("a")]);
    fs::rename(setup.path("a"), setup.path("b")).unwrap();
    assert_eq!(setup.all(), [list("a"), list("b")]);
    fs::remove_file(setup.path("b")).unwrap();
    assert_eq!(setup.all(), [list("b")]);
    assert_eq!(setup.all(), []);
}

#[test]
fn directories_made_later_are_watched_with_what_they_already_hold() {
    let mut setup = Setup::new("later");
    fs::create_dir_all(setup.path("d/e")).unwrap();
    write(&setup.path("d/e/early"));
    setup.expect(&list("d/e/early"));
    setup.expect(&list("d"));
    write(&setup.path("d/e/late"));
    setup.expect(&list("d/e/late"));
}

#[test]
fn a_directory_that_moves_is_known_by_its_new_name_only() {
    let mut setup = Setup::new("move");
    fs::create_dir_all(setup.path("d/e")).unwrap();
    fs::create_dir(setup.path("dx")).unwrap();
    setup.expect(&list("dx"));
    fs::rename(setup.path("d"), setup.path("n")).unwrap();
    setup.expect(&list("d"));
    setup.expect(&list("n"));
    write(&setup.path("n/e/f"));
    let changes = setup.all();
    assert!(changes.contains(&list("n/e/f")), "{changes:?}");
    assert!(!changes.contains(&list("d/e/f")), "{changes:?}");
    write(&setup.path("dx/f"));
    assert!(setup.all().contains(&list("dx/f")), "a name that only begins alike is kept");
    let outside = scratch("outside");
    fs::rename(setup.path("n"), outside.join("n")).unwrap();
    setup.expect(&list("n"));
    write(&outside.join("n/e/g"));
    assert_eq!(setup.all(), []);
    assert_eq!(setup.watcher.directories, 2);
}

#[test]
fn what_is_not_served_is_not_told() {
    let mut setup = Setup::with("hidden", 100, |settings| settings.max_depth = 2);
    fs::create_dir_all(setup.path(".git/x")).unwrap();
    write(&setup.path(".swp"));
    assert_eq!(setup.all(), []);
    fs::create_dir(setup.path("d")).unwrap();
    fs::create_dir(setup.path("d/e")).unwrap();
    setup.all();
    // Made while its parent is watched already.
    fs::create_dir(setup.path("d/f")).unwrap();
    assert_eq!(setup.all(), [list("d/f")]);
    write(&setup.path("d/e/too-deep"));
    write(&setup.path("d/f/too-deep"));
    assert_eq!(setup.all(), []);
}

#[test]
fn a_root_that_follows_links_tells_of_itself_as_a_whole() {
    let mut setup = Setup::with("follow", 100, |settings| settings.follow_symlinks = true);
    fs::create_dir(setup.path("..1")).unwrap();
    setup.all();
    std::os::unix::fs::symlink("..1", setup.path("..tmp")).unwrap();
    fs::rename(setup.path("..tmp"), setup.path("..data")).unwrap();
    assert_eq!(setup.all(), [list("")]);
    write(&setup.path("file"));
    assert_eq!(setup.all(), [list(""), content("")]);
}

#[test]
fn links_are_not_watched_through() {
    let outside = scratch("target");
    let mut setup = Setup::with("link", 100, |settings| settings.follow_symlinks = true);
    std::os::unix::fs::symlink(&*outside, setup.path("link")).unwrap();
    setup.all();
    write(&outside.join("x"));
    assert_eq!(setup.all(), []);
    assert_eq!(setup.watcher.directories, 1);
}

#[test]
fn the_number_of_directories_is_bounded_and_freed_again() {
    let mut setup = Setup::with("bound", 3, |_| {});
    for name in ["a", "b", "c", "d"] {
        fs::create_dir(setup.path(name)).unwrap();
        setup.expect(&list(name));
    }
    assert_eq!(setup.watcher.directories, 3);
    for name in ["a", "b", "c", "d"] {
        fs::remove_dir(setup.path(name)).unwrap();
        setup.expect(&list(name));
    }
    setup.all();
    assert_eq!((setup.watcher.directories, setup.watcher.watched.len()), (1, 1));
    fs::create_dir(setup.path("e")).unwrap();
    setup.expect(&list("e"));
    write(&setup.path("e/x"));
    setup.expect(&list("e/x"));
}

#[test]
fn roots_that_overlap_both_notice() {
    let mut setup = Setup::new("overlap");
    fs::create_dir(setup.path("in")).unwrap();
    setup.expect(&list("in"));
    let inner = FileRoot::open(&settings(&setup.path("in"))).unwrap();
    assert_eq!(setup.watcher.add_root(&inner).unwrap(), 1);
    write(&setup.path("in/x"));
    let changes = setup.all();
    assert!(changes.contains(&list("in/x")), "{changes:?}");
    assert!(changes.contains(&Change::List { root: 1, path: "x".to_owned() }), "{changes:?}");
}

#[test]
fn a_lost_event_means_that_everything_may_have_changed() {
    let mut setup = Setup::new("overflow");
    fs::create_dir(setup.path("d")).unwrap();
    setup.expect(&list("d"));
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    for number in 0..limit / 2 + 2 {
        let path = setup.path(&format!("d/{}", number % 2));
        write(&path);
        fs::remove_file(path).unwrap();
    }
    fs::create_dir(setup.path("unseen")).unwrap();
    setup.expect(&Change::Everything);
    write(&setup.path("unseen/x"));
    setup.expect(&list("unseen/x"));
}

#[test]
fn one_call_takes_a_bounded_part_and_the_next_goes_on() {
    let mut setup = Setup::new("parts");
    for number in 0..5000 {
        write(&setup.path(&format!("a-rather-long-name-of-a-file-{number}")));
    }
    let first = setup.all();
    assert!(first.len() < 5000);
    let last = "a-rather-long-name-of-a-file-4999";
    setup.expect(&list(last));
}
