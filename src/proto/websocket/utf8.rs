//! Whether bytes that come piece by piece are UTF-8, told as soon as they are not.

/// How far a text is known to be UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8Checker {
    checked: usize,
}

impl Utf8Checker {
    /// Looks at what was added to `text` since the last time; false if it can be no UTF-8 any more.
    pub(super) fn go_on(&mut self, text: &[u8]) -> bool {
        let fresh = text.get(self.checked..).unwrap_or_default();
        match std::str::from_utf8(fresh) {
            Ok(_) => self.checked = text.len(),
            Err(error) => {
                self.checked = self.checked.saturating_add(error.valid_up_to());
                if error.error_len().is_some() {
                    return false;
                }
            }
        }
        true
    }

    /// True if nothing is missing at the end of `text`, all of which was looked at.
    pub(super) fn is_whole(&self, text: &[u8]) -> bool {
        self.checked == text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_at_every_split() {
        for (text, is_good) in [
            (&b"plain"[..], true),
            ("\u{e9}\u{20ac}\u{1f980}".as_bytes(), true),
            (b"\xc0\xaf", false),
            (b"a\xed\xa0\x80b", false),
            (b"\xf4\x90\x80\x80", false),
            (b"cut \xe2\x82", false),
            (b"\x80", false),
        ] {
            for split in 0..=text.len() {
                let mut checker = Utf8Checker::default();
                let begin = checker.go_on(&text[..split]);
                let verdict = begin && checker.go_on(text) && checker.is_whole(text);
                assert_eq!(verdict, is_good, "{text:?} at {split}");
            }
        }
    }

    #[test]
    fn what_can_be_no_text_any_more_is_told_at_once() {
        let mut checker = Utf8Checker::default();
        assert!(checker.go_on(b"\xf4"));
        assert!(!checker.go_on(b"\xf4\x90"), "no further byte can mend it");
    }
}
