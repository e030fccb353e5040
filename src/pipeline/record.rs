//! The audit record of one request: made by who ends the request, written by the audit thread. It
//! holds no credential, no session id, no argument and no result.

use crate::base::clock::unix_micros;
use crate::proto::object::Object;

/// One line of the audit file, still without its time and number.
#[derive(Debug)]
pub struct Record {
    /// When it was made: microseconds since 1970.
    pub unix_micros: u64,
    /// The guide's name of the event, by which the configuration selects.
    pub event: &'static str,
    /// The caller was authenticated.
    pub is_authenticated: bool,
    /// The members after time, number and event, as JSON with a leading comma and without the
    /// closing brace.
    pub members: Vec<u8>,
}

impl Record {
    /// A record of this moment.
    pub fn new(event: &'static str, is_authenticated: bool, members: Vec<u8>) -> Self {
        Self { unix_micros: unix_micros(), event, is_authenticated, members }
    }

    /// A record of what was done or refused at the control socket.
    pub fn of_administration(write: impl FnOnce(&mut Object<'_>)) -> Self {
        let mut members = Vec::new();
        let mut object = Object::open(&mut members);
        write(&mut object);
        object.close();
        Self::new("administration", true, opened(members))
    }
}

/// An object as members, open at both ends, for the audit thread to put its own around them.
pub(super) fn opened(mut object: Vec<u8>) -> Vec<u8> {
    object.pop();
    if let Some(first) = object.first_mut() {
        *first = b',';
    }
    object
}
