//! Mutated requests: whatever comes, the decoder asks, answers or refuses, the same however cut.

use super::{feed, limits};

const SEEDS: [&[u8]; 5] = [
    b"GET /mcp?x=%20 HTTP/1.1\r\nHost: h:80\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\n\
      X: y\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]:8\r\nExpect: 100-continue\r\n\r\n",
    b"GET http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
];
const BYTES: &[u8] = b"\r\n\0\t :;,=\"%/?#*0159afgAZ[]@-_\x7f\x80\xff";

/// A xorshift generator: the same sequence on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.below(bytes.len());
        let byte = BYTES[self.below(BYTES.len())];
        match self.below(5) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at.max(1)),
            _ => {
                let end = (at + self.below(24)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

#[test]
fn mutated_requests_never_panic_and_mean_the_same_however_they_are_cut() {
    let (mut random, limits) = (Random(0x9e37_79b9_7f4a_7c15), limits());
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..200_000 {
        let mut bytes = SEEDS[round % SEEDS.len()].to_vec();
        for _ in 0..=random.below(3) {
            random.mutate(&mut bytes);
        }
        let whole = feed([&bytes[..]], &limits);
        let (left, right) = bytes.split_at(random.below(bytes.len()));
        assert_eq!(feed([left, right], &limits), whole, "{}", bytes.escape_ascii());
        match whole.error {
            None => accepted += 1,
            Some(_) => refused += 1,
        }
    }
    // Both outcomes must be common, or the mutations test nothing.
    assert!(accepted > 20_000 && refused > 20_000, "{accepted} accepted, {refused} refused");
}
