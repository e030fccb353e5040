//! Tests of file roots, against a real file system; each makes a directory of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};

use super::*;

/// A directory that is removed at the end of its test.
pub(in crate::backend::local::files) struct Scratch(PathBuf);

impl std::ops::Deref for Scratch {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(in crate::backend::local::files) fn scratch(name: &str) -> Scratch {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("erlmcp-files-{}-{name}-{next}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::create_dir_all(&path).unwrap();
    Scratch(path)
}

pub(in crate::backend::local::files) fn settings(path: &Path) -> FileRootSettings {
    FileRootSettings {
        path: path.to_owned(),
        uri_prefix: "docs://manual/".to_owned(),
        max_bytes: 1000,
        max_entries: 1000,
        max_depth: 8,
        hidden: false,
        follow_symlinks: false,
    }
}

fn open(path: &Path) -> FileRoot {
    FileRoot::open(&settings(path)).unwrap()
}

fn open_following(path: &Path) -> FileRoot {
    FileRoot::open(&FileRootSettings { follow_symlinks: true, ..settings(path) }).unwrap()
}

fn paths(root: &FileRoot) -> Vec<String> {
    root.list(None, 1000).unwrap().into_iter().map(|entry| entry.path).collect()
}

fn text(root: &FileRoot, path: &str) -> String {
    match root.read(path).unwrap().body {
        FileBody::Text(text) => text,
        FileBody::Blob(bytes) => panic!("{path} is a blob of {} bytes", bytes.len()),
    }
}

#[test]
fn files_are_listed_in_order_and_page_by_page() {
    let top = scratch("list");
    fs::create_dir_all(top.join("b/c")).unwrap();
    for path in ["b/c/d.md", "a.txt", "b/x", "b.txt", "z"] {
        fs::write(top.join(path), path).unwrap();
    }
    let root = open(&top);
    let all = ["a.txt", "b.txt", "b/c/d.md", "b/x", "z"];
    assert_eq!(paths(&root), all);
    let mut paged = Vec::new();
    loop {
        let page = root.list(paged.last().map(String::as_str), 2).unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        paged.extend(page.into_iter().map(|entry| entry.path));
    }
    assert_eq!(paged, all);
    let entry = &root.list(Some("b.txt"), 1).unwrap()[0];
    assert_eq!((entry.size, entry.mime_type), (8, "text/markdown"));
    assert_eq!(entry.modified, fs::metadata(top.join("b/c/d.md")).unwrap().modified().unwrap());
}

#[test]
fn everything_listed_can_be_read_by_its_uri_and_nothing_else_is_listed() {
    let top = scratch("same");
    for name in ["ü b", "100%", "a%41", "back\\slash", "new\nline", ".hidden", "plain"] {
        fs::write(top.join(name), name).unwrap();
    }
    fs::create_dir(top.join(".git")).unwrap();
    fs::write(top.join(".git/config"), "secret").unwrap();
    let root = open(&top);
    assert_eq!(paths(&root), ["100%", "plain", "ü b"]);
    for path in paths(&root) {
        let relative = root.relative_of(&root.uri_for(&path)).unwrap().unwrap();
        assert_eq!(text(&root, &relative), path);
    }
    for path in [".hidden", ".git/config"] {
        assert!(matches!(root.read(path), Err(FileError::NotFound)), "{path}");
    }
    let root = FileRoot::open(&FileRootSettings { hidden: true, ..settings(&top) }).unwrap();
    assert_eq!(text(&root, ".git/config"), "secret");
    assert_eq!(paths(&root).len(), 5);
}

#[test]
fn a_long_path_is_listed_while_its_uri_may_be_sent() {
    let top = scratch("long");
    let deep = |levels: usize| {
        let directory = vec!["\u{e9}".repeat(100); levels].join("/");
        fs::create_dir_all(top.join(&directory)).unwrap();
        let path = format!("{directory}/file");
        fs::write(top.join(&path), "deep").unwrap();
        path
    };
    let (short, _) = (deep(12), deep(15));
    let root = FileRoot::open(&FileRootSettings { max_depth: 20, ..settings(&top) }).unwrap();
    assert_eq!(paths(&root), [short.as_str()]);
    let uri = root.uri_for(&short);
    assert!(crate::guard::validate::uri::check(&uri).is_ok());
    assert_eq!(root.relative_of(&uri).unwrap().as_deref(), Some(&*short));
    assert_eq!(text(&root, &short), "deep");
}

#[test]
fn a_path_that_could_leave_the_root_is_refused() {
    let top = scratch("paths");
    fs::create_dir_all(top.join("root/in")).unwrap();
    fs::create_dir_all(top.join("root_secret")).unwrap();
    fs::write(top.join("root_secret/x"), "secret").unwrap();
    fs::write(top.join("root/in/x"), "fine").unwrap();
    let root = open(&top.join("root"));
    assert_eq!(text(&root, "in/x"), "fine");
    for path in [
        "../root_secret/x",
        "in/../../root_secret/x",
        "in/../in/x",
        "./in/x",
        "in//x",
        "in/x/",
        "/etc/passwd",
        "",
        ".",
        "..",
        "in\\x",
        "in/x\0",
        "in/%2e%2e/x",
    ] {
        assert!(matches!(root.read(path), Err(FileError::Path(_))), "{path:?}");
    }
    // The kernel refuses too, should a path ever come here unchecked.
    for path in ["../root_secret/x", "in/../../root_secret/x", "/etc/passwd"] {
        assert_eq!(root.tree.open_beneath(path, OFlags::RDONLY).unwrap_err(), Errno::XDEV);
    }
}

#[test]
fn links_are_followed_only_if_allowed_and_only_inside() {
    let top = scratch("links");
    fs::create_dir_all(top.join("root/dir")).unwrap();
    fs::write(top.join("secret"), "secret").unwrap();
    fs::write(top.join("root/dir/file"), "fine").unwrap();
    let inside = [("to-file", "dir/file"), ("to-dir", "dir")];
    let outside = [
        ("up", "../secret"),
        ("up-dir", ".."),
        ("absolute", "/etc/passwd"),
        ("absolute-dir", "/etc"),
        ("self-root", "/proc/self/root"),
        ("loop", "loop"),
    ];
    for (name, target) in inside.iter().chain(&outside) {
        symlink(target, top.join("root").join(name)).unwrap();
    }
    symlink("dir/../../secret", top.join("root/winding")).unwrap();
    let escapes = [
        "up",
        "up-dir/secret",
        "absolute",
        "absolute-dir/passwd",
        "loop",
        "winding",
        "self-root/etc/passwd",
    ];

    let strict = open(&top.join("root"));
    assert_eq!(paths(&strict), ["dir/file"]);
    for path in escapes.iter().chain(&["to-file", "to-dir/file"]) {
        assert!(matches!(strict.read(path), Err(FileError::Escape)), "{path}");
    }
    let following = open_following(&top.join("root"));
    assert_eq!(paths(&following), ["dir/file", "to-file"]);
    assert_eq!(text(&following, "to-file"), "fine");
    assert_eq!(text(&following, "to-dir/file"), "fine");
    for path in escapes {
        assert!(matches!(following.read(path), Err(FileError::Escape)), "{path}");
    }
}

/// Ends the other thread also when an assertion fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_link_swapped_in_at_any_moment_leads_nowhere() {
    let top = scratch("swap");
    fs::create_dir_all(top.join("root/dir")).unwrap();
    fs::create_dir(top.join("outside")).unwrap();
    fs::write(top.join("root/dir/file"), "inside").unwrap();
    fs::write(top.join("outside/file"), "outside").unwrap();
    symlink("../outside", top.join("root/link")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let (dir, link) = (top.join("root/dir"), top.join("root/link"));
                renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for root in [open(&top.join("root")), open_following(&top.join("root"))] {
            let (mut read, mut refused) = (0, 0);
            while read < 50 || refused < 50 {
                match root.read("dir/file") {
                    Ok(content) => {
                        read += 1;
                        assert_eq!(content.body, FileBody::Text("inside".to_owned()));
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    });
}

#[test]
fn only_regular_files_are_read_and_nothing_hangs() {
    let top = scratch("kinds");
    fs::create_dir(top.join("dir")).unwrap();
    mkfifoat(CWD, top.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = UnixListener::bind(top.join("socket")).unwrap();
    let root = open(&top);
    assert_eq!(paths(&root), [""; 0]);
    for path in ["dir", "fifo", "socket"] {
        assert!(matches!(root.read(path), Err(FileError::NotAFile)), "{path}");
    }
    let devices = open(Path::new("/dev"));
    for path in ["zero", "null", "full"] {
        assert!(matches!(devices.read(path), Err(FileError::NotAFile)), "{path}");
    }
    assert!(matches!(root.read("none"), Err(FileError::NotFound)));
    assert!(matches!(root.read("fifo/x"), Err(FileError::NotFound)));
}

#[test]
fn a_file_over_the_limit_is_refused_before_and_while_it_is_read() {
    let top = scratch("large");
    fs::write(top.join("fits"), [b'x'; 1000]).unwrap();
    fs::write(top.join("over"), [b'x'; 1001]).unwrap();
    fs::File::create(top.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let root = open(&top);
    assert_eq!(text(&root, "fits").len(), 1000);
    for path in ["over", "sparse"] {
        assert!(matches!(root.read(path), Err(FileError::TooLarge)), "{path}");
    }
    // A file that grows after it was looked at.
    let file = fs::File::open(top.join("over")).unwrap();
    assert!(matches!(read_bounded(&file, 10, 1000), Err(FileError::TooLarge)));
    // A file of /proc says that it is empty and is not.
    let kernel = FileRoot::open(&settings(Path::new("/proc/sys/kernel"))).unwrap();
    assert!(text(&kernel, "ostype").contains("Linux"));
    let tiny = FileRootSettings { max_bytes: 3, ..settings(Path::new("/proc/sys/kernel")) };
    let tiny = FileRoot::open(&tiny).unwrap();
    assert!(matches!(tiny.read("ostype"), Err(FileError::TooLarge)));
}

#[test]
fn content_is_text_where_its_type_and_its_bytes_say_so() {
    let top = scratch("types");
    for (name, bytes, mime_type, is_text) in [
        ("a.md", &b"# A"[..], "text/markdown", true),
        ("a.svg", b"<svg/>", "image/svg+xml", true),
        ("b.txt", b"\xff\xfe", "text/plain", false),
        ("c.png", b"ascii", "image/png", false),
        ("README", b"read me", "text/plain", true),
        ("d", b"a\0b", "application/octet-stream", false),
        ("e", b"\xff", "application/octet-stream", false),
        ("f.json", b"", "application/json", true),
    ] {
        fs::write(top.join(name), bytes).unwrap();
        let content = open(&top).read(name).unwrap();
        assert_eq!(content.mime_type, mime_type, "{name}");
        match content.body {
            FileBody::Text(text) => assert!(is_text && text.as_bytes() == bytes, "{name}"),
            FileBody::Blob(blob) => assert!(!is_text && blob == bytes, "{name}"),
        }
    }
}

#[test]
fn a_walk_is_bounded_in_entries_and_depth() {
    let top = scratch("bounds");
    fs::create_dir_all(top.join("1/2/3")).unwrap();
    for path in ["a", "1/b", "1/2/c", "1/2/3/d"] {
        fs::write(top.join(path), "").unwrap();
    }
    let with = |max_entries, max_depth| {
        let settings = FileRootSettings { max_entries, max_depth, ..settings(&top) };
        paths(&FileRoot::open(&settings).unwrap())
    };
    assert_eq!(with(100, 0), [""; 0]);
    assert_eq!(with(100, 1), ["a"]);
    assert_eq!(with(100, 3), ["1/2/c", "1/b", "a"]);
    assert_eq!(with(7, 9).len(), 4);
    assert_eq!(with(6, 9).len(), 3);
    assert_eq!(with(0, 9).len(), 0);
}

#[test]
fn a_root_stays_the_directory_it_was() {
    let top = scratch("moved");
    fs::create_dir(top.join("root")).unwrap();
    fs::write(top.join("root/x"), "first").unwrap();
    let root = open(&top.join("root"));
    fs::rename(top.join("root"), top.join("old")).unwrap();
    fs::create_dir(top.join("root")).unwrap();
    fs::write(top.join("root/x"), "second").unwrap();
    assert_eq!(text(&root, "x"), "first");
}

#[test]
fn a_wrong_root_is_refused() {
    let top = scratch("wrong");
    fs::write(top.join("file"), "").unwrap();
    let open = |path: &Path, prefix: &str| {
        let settings = FileRootSettings { uri_prefix: prefix.to_owned(), ..settings(path) };
        FileRoot::open(&settings).map(|_| ())
    };
    assert!(matches!(open(Path::new("tmp"), "docs://a/"), Err(RootError::RelativePath)));
    assert!(matches!(open(&top, "docs://a"), Err(RootError::Prefix(_))));
    assert!(matches!(open(&top.join("file"), "docs://a/"), Err(RootError::Open(_))));
    assert!(matches!(open(&top.join("none"), "docs://a/"), Err(RootError::Open(_))));
}

#[test]
fn what_a_peer_may_not_know_looks_like_what_is_not_there() {
    let there = FileError::NotFound.to_string();
    assert_eq!(FileError::Escape.to_string(), there);
    assert_eq!(FileError::Denied.to_string(), there);
}
