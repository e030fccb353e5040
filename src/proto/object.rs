//! Writes JSON objects member by member into a byte buffer, without a tree in between. It writes
//! only; what is given as raw must be JSON already.

use serde_json::{Map, Value};

use super::json::{write_string, write_value};

/// An object being written; closed by [`Object::close`].
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `out`.
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// The buffer, placed behind `key` and its colon: the caller writes one JSON value.
    pub fn member(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        write_string(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// A string member.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        write_string(self.member(key), value);
        self
    }

    /// A string member, left out if there is none.
    pub fn optional_text(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(key, value);
        }
        self
    }

    /// An unsigned number.
    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.member(key).extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        self.member(key).extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// Any JSON value.
    pub fn value(&mut self, key: &str, value: &Value) -> &mut Self {
        write_value(self.member(key), value);
        self
    }

    /// Any JSON value, left out if there is none.
    pub fn optional_value(&mut self, key: &str, value: Option<&Value>) -> &mut Self {
        if let Some(value) = value {
            self.value(key, value);
        }
        self
    }

    /// A member that is an object, given as its members.
    pub fn members(&mut self, key: &str, members: &Map<String, Value>) -> &mut Self {
        let mut object = Object::open(self.member(key));
        for (key, value) in members {
            object.value(key, value);
        }
        object.close();
        self
    }

    /// JSON that is written out already.
    pub fn raw(&mut self, key: &str, json: &[u8]) -> &mut Self {
        self.member(key).extend_from_slice(json);
        self
    }

    /// A member that is an array, one element written by `each` per item.
    pub fn array<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Vec<u8>, T),
    ) -> &mut Self {
        let out = self.member(key);
        out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            each(out, item);
        }
        out.push(b']');
        self
    }

    /// Ends the object.
    pub fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_and_absent_ones_left_out() {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.text("a", "x\n").optional_text("b", None).number("c", 3).boolean("d", false);
        object.array("e", [1, 2], |out, n| out.extend_from_slice(n.to_string().as_bytes()));
        object.close();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":"x\n","c":3,"d":false,"e":[1,2]}"#);
    }
}
