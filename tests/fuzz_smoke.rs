//! Every fuzz target on its seeds and on mutations of them, the same ones in each run. It is what
//! a machine without libFuzzer can do; it must never replace a real run (see `fuzz/README.md`).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use std::fs;
use std::path::PathBuf;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "written as a crate of its own")]
mod fuzz;

/// Mutations of each seed.
const MUTATIONS: usize = 400;
/// No mutation grows longer than this, in bytes.
const LONGEST: usize = 4_096;

/// A xorshift generator (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// Bytes that mean something to one parser or another.
const TELLING: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\0",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"/",
    b"..",
    b"%2e",
    b"%25",
    b"-",
    b"*",
    b"@",
    b"\xff",
    b"\xc3\xa9",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"1e999",
];

fn mutate(random: &mut Random, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(8)).min(bytes.len());
    match random.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..at, TELLING[random.below(TELLING.len())].iter().copied())),
        2 => drop(bytes.splice(at..end, TELLING[random.below(TELLING.len())].iter().copied())),
        3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        4 => {
            let piece = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, piece));
        }
        _ => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.len() + 1);
            let to = (from + random.below(32)).min(other.len());
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
    }
    bytes.truncate(LONGEST);
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{target} has too few seeds");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn smoke(target: &str) {
    let seeds = seeds(target);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    fuzz::run(target, b"");
    for seed in &seeds {
        fuzz::run(target, seed);
        for _ in 0..MUTATIONS {
            let mut bytes = seed.clone();
            for _ in 0..=random.below(4) {
                mutate(&mut random, &mut bytes, &seeds);
            }
            let outcome = std::panic::catch_unwind(|| fuzz::run(target, &bytes));
            assert!(outcome.is_ok(), "{target} fails on {:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

macro_rules! smoke {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            smoke(stringify!($target));
        })*

        #[test]
        fn every_target_has_a_test_and_a_file_for_libfuzzer() {
            let tested = [$(stringify!($target)),*];
            let targets: Vec<&str> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(tested.as_slice(), targets);
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
            for target in targets {
                let file = fs::read_to_string(folder.join(format!("{target}.rs"))).unwrap();
                assert!(file.contains(&format!("run(\"{target}\", data)")), "{target}");
            }
        }
    };
}

smoke!(
    answers,
    arguments,
    certificates,
    chunked,
    configuration,
    forwarded,
    frames,
    jsonrpc,
    jwks,
    jwt,
    lines,
    origins,
    parameters,
    proxy_headers,
    requests,
    schemas,
    tokens,
    uris
);
